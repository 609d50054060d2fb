"""How right expected Dice and light are, in words and tables: of people who were left out, or of develop-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ISTNRegistrationLib.core.quality import FAIR_AGREEMENT, LOW_AGREEMENT
from ISTNRegistrationLib.core.trust import TrustModel

from release.trust_fit import Table, judged


def fitted(table: Table) -> list[str]:
    """A sentence on what a model is fitted to, and how right such a model is for people who were left out."""
    said = judged(table)[0]
    known = table.ends & np.isfinite(said).all(axis=1)
    ends, true = said[known].mean(1), table.dice[known].mean(1)
    runs, people = len(set(table.case)), len(frozenset().union(*table.people))
    return [
        f"Fitted to {table.ends.sum()} registrations in {runs} runs, {people} people of develop-train and develop-val. "
        f"With their people left out: correlation {np.corrcoef(ends, true)[0, 1]:.3f}, mean absolute error "
        f"{np.abs(ends - true).mean():.3f}."
    ]


def spoken(model: TrustModel, table: Table, names: list[str], new_people: bool = False) -> list[str]:
    """Markdown lines.

    Args:
        new_people: whether none of them was used for the model; else every pair is judged by curves without its people.
    """
    said = model.dice(table.evidence) if new_people else judged(table)[0]
    known = np.isfinite(said).all(axis=1)
    said, table = said[known], table.only(known)
    ends, true = said[table.ends].mean(1), table.dice[table.ends].mean(1)
    agreement = 1 - table.evidence[table.ends][:, :, 1].mean(1)
    runs, people = len(set(table.case)), len(frozenset().union(*table.people))
    errors = zip(names, np.abs(said - table.dice).mean(0), strict=True)
    return [
        f"{len(ends)} registrations in {runs} runs, {len(said)} stages, {people} people.",
        "",
        "| of | correlation | mean absolute error | in the interval |",
        "|---|---|---|---|",
        _row("the result, mean of the structures", ends, true, _inside(model, ends, true, 1)),
        _row("every stage, mean of the structures", said.mean(1), table.dice.mean(1), None),
        _row("every stage, each structure", said.ravel(), table.dice.ravel(), _inside(model, said, table.dice, 0)),
        _row("agreement in the place of the expected Dice", agreement, true, None),
        *("", *_lights(model, ends, true, agreement)),
        *("", *_in_mm(model, said, table)),
        *("", *_by_kind(ends, true, agreement, table.kind[table.ends])),
        *("", f"Mean absolute error by structure: {', '.join(f'{name} {error:.3f}' for name, error in errors)}."),
    ]


def _row(title: str, said: np.ndarray, true: np.ndarray, inside: float | None) -> str:
    correlation = np.corrcoef(said, true)[0, 1]
    share = "-" if inside is None else f"{100 * inside:.0f} %"
    return f"| {title} | {correlation:.3f} | {np.abs(said - true).mean():.3f} | {share} |"


def _inside(model: TrustModel, said: np.ndarray, true: np.ndarray, kind: int) -> float:
    below, above = (np.interp(said, model.levels[kind], table[kind]) for table in (model.below, model.above))
    return float(((true >= said - below) & (true <= said + above)).mean())


def _lights(model: TrustModel, said: np.ndarray, true: np.ndarray, agreement: np.ndarray) -> list[str]:
    """Rates of false lights, by the expected Dice and by the agreement (the rules of a checkpoint without a model)."""
    limits, low = model.limits, said - np.interp(said, model.levels[1], model.below[1])
    lights = {
        "expected Dice": (low >= limits.green, said < limits.red),
        "agreement": (agreement >= FAIR_AGREEMENT, agreement < LOW_AGREEMENT),
    }
    lines = ["| light by | green | red | false green | false red |", "|---|---|---|---|---|"]
    for name, (green, red) in lights.items():
        counts = f"{green.sum()} | {red.sum()}"
        false_green, false_red = _share(green, true < limits.poor), _share(red, true >= limits.good)
        lines.append(f"| {name} | {counts} | {false_green} | {false_red} |")
    told = f"Green: the interval begins at {limits.green:.2f} or above; red: less than {limits.red:.2f} is expected. "
    told += f"False green: green among the results below {limits.poor:.2f} (poor); false red: red among those from "
    return [*lines, "", told + f"{limits.good:.2f} (good) on."]


def _in_mm(model: TrustModel, said: np.ndarray, table: Table) -> list[str]:
    """How the mm that the expected Dice stands for follow the true surface distance: of structures, at the ends."""
    measured = table.ends[:, None] & np.isfinite(table.asd_mm + table.thickness_mm)
    fair = measured & (said.mean(axis=1) >= model.limits.red)[:, None]
    told, exact = (table.thickness_mm * (1 - dice) for dice in (said, table.dice))
    lines = ["| structures of results | n | true mm | correlation | error mm | with the true Dice | error mm |"]
    lines.append("|---|---|---|---|---|---|---|")
    for title, chosen in (("not red", fair), ("all", measured)):
        true, values = table.asd_mm[chosen], (told[chosen], exact[chosen])
        if len(true) > 1:
            cells = (f"{np.corrcoef(mm, true)[0, 1]:.3f} | {np.abs(mm - true).mean():.2f}" for mm in values)
            lines.append(f"| {title} | {len(true)} | {true.mean():.2f} | {' | '.join(cells)} |")
    return lines


def _share(light: np.ndarray, among: np.ndarray) -> str:
    return f"{(light & among).sum()} of {among.sum()}"


def _by_kind(said: np.ndarray, true: np.ndarray, agreement: np.ndarray, kinds: np.ndarray) -> list[str]:
    lines = ["| image | n | true Dice | expected | error | agreement |", "|---|---|---|---|---|---|"]
    for kind in sorted(set(kinds)):
        of = kinds == kind
        means = " | ".join(f"{values[of].mean():.2f}" for values in (true, said, np.abs(said - true), agreement))
        lines.append(f"| {kind} | {of.sum()} | {means} |")
    return lines


def page_part(page: Path, data: str, lines: list[str]) -> None:
    """Put the lines between the page's marks of this data set."""
    begin, end = f"<!-- {data} -->", f"<!-- end of {data} -->"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    page.write_text("\n".join([before + begin, *lines, end + after.rstrip(), ""]), encoding="utf-8", newline="\n")
