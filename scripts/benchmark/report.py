"""docs/benchmark.md and docs/benchmark.json from what scripts/benchmark/speed.py has measured."""

from __future__ import annotations

import json
from pathlib import Path

IDLE_LOAD = 0.5
TEXT = """# Benchmark

Written by `python scripts/benchmark/speed.py`; every number is in [benchmark.json](benchmark.json).{quick}

{machine}

## Refinement of one pair, {iterations} iterations, {size} voxels

*published* is `scripts/paper/published_refinement.py`: the ITN on both images with gradients through it, the STN, three
warps, five losses and the SimpleITK measures in every iteration. *channels last* is the same in our memory layout: what
of the gain is not the method. All have the same network (preset `published`, one channel), weights, synthetic pair and
number of iterations (ours without its early stop). Medians of {repeats} interleaved repeats; *ratio*: published / ours.
M' and F' are computed once in ours and are given to a refinement; *with maps* counts them too.

{refinement}

*loss after*: MSE(M'∘T, F') on the whole grid. Ours sums over the active voxels only ({active} of this grid); `theta`
shortens its steps towards the end (`core/refine.py`). On all voxels, `weights` is the published arithmetic: largest
relative difference of the losses over all iterations {difference}.

## Registration of one pair, after loading

Fixed {fixed}, moving {moving}, checkpoint `{checkpoint}`; early stop on; median seconds. *rest*: checks, measuring
the stages, making the result. The target is for the default, `theta`.

{registration}

## Peak memory

Resident memory in MB (10⁶ bytes), each in a fresh process; B-spline with refinement, 8 structures, int16 input.
*warped*: after the moving volume was resampled on the whole fixed grid as well. Measured on {memory_on}.

{memory}

## A sequence, frame by frame

{frames} frames of {frame_size}³ voxels in a scene, each registered to the first (`scripts/benchmark/sequence.py`): the
process grows by {growth_mb:.2f} MB a frame, of which {result_mb:.2f} MB are the frame's own result in the scene;
it takes {peak_mb:.0f} MB at most.
"""

SHARING = "\n## One fixed image, many moving ones\n"


def write(folder: Path, report: dict) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "benchmark.md"
    before = page.read_text(encoding="utf-8") if page.is_file() else ""
    _, heading, shared = before.partition(SHARING)  # measured by sharing.py
    page.write_text(as_markdown(report) + heading + shared, encoding="utf-8")
    (folder / "benchmark.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def as_markdown(report: dict) -> str:
    """The page."""
    compared, registered = report["refinement"], report["registration"]
    reference = next(iter(compared.values()))["ways"]["published"]
    return TEXT.format(
        quick="\n\n**A quick run: the numbers mean nothing.**" if report["quick"] else "",
        machine=_machine(report["machine"]),
        iterations=reference["iterations"],
        size=" x ".join(map(str, report["size"])),
        repeats=len(reference["seconds"]),
        refinement=_refinement(compared),
        active=_each(compared, "active_part", "{:.0%}"),
        difference=_each(compared, "largest_relative_difference", "{:.1e}"),
        registration=_registration(registered["rows"]),
        memory=_memory(report["memory"]),
        memory_on=report["memory_on"],
        **_sequence(report["sequence"]),
        **{key: registered[key] for key in ("fixed", "moving", "checkpoint")},
    )


def _each(compared: dict, key: str, form: str) -> str:
    return ", ".join(f"{form.format(values[key])} ({name})" for name, values in compared.items())


def _machine(machine: dict) -> str:
    words = f"{machine['date']}, {machine['cpu']} ({machine['capability']}), {machine['cores']} cores, "
    words += f"{machine['threads']} threads, torch {machine['torch']}, numpy {machine['numpy']}, "
    words += f"SimpleITK {machine['SimpleITK']}, Python {machine['python']}. "
    if machine["load"] is None:
        return words + "Load average unknown."
    busy = "" if machine["load"] < IDLE_LOAD else ": **the machine was not idle**"
    return words + f"Load average before the run {machine['load']:.2f}{busy}."


def _refinement(compared: dict) -> str:
    rows = []
    for transform, values in compared.items():
        for way, row in values["ways"].items():
            cells = [transform, way, f"{row['median']:.3f}", f"{row['median_with_maps']:.3f}"]
            cells += [f"{row['ratio']:.1f}", f"{row['ratio_with_maps']:.1f}", _verdict(row), f"{row['loss']:.3e}"]
            rows.append(cells)
    titles = ["transform", "way", "s", "s with maps", "ratio", "ratio with maps", "target", "loss after"]
    return table(titles, rows)


def _verdict(row: dict) -> str:
    if row["target"] is None:
        return ""
    return f"{row['target']}: " + ("met" if row["ratio"] >= row["target"] else "**missed**")


def _registration(rows: list[dict]) -> str:
    parts = ["preprocessing", "ITN", "affine", "affine refined", "bspline", "bspline refined", "rest", "total"]
    body = []
    for row in rows:
        cells = [f"{row[part]:.3f}" if part in row else "" for part in parts]
        target = f"< {row['target']:g}: " + ("met" if row["total"] < row["target"] else "**missed**")
        body.append([row["transform"], row["refine"], *cells, target if row["refine"] == "theta" else ""])
    return table(["transform", "refine", *parts, "target"], body)


def _sequence(row: dict) -> dict:
    return {key: row[key] for key in ("frames", "growth_mb", "result_mb", "peak_mb")} | {"frame_size": row["size"]}


def _memory(rows: list[dict]) -> str:
    keys = ["imported_mb", "inputs_mb", "registered_mb", "peak_mb"]
    body = []
    for row in rows:
        met = "met" if row["peak_mb"] < row["target_mb"] else "**missed**"
        seconds = [f"{row['seconds']:.1f}", f"{row['seconds_with_warp']:.1f}"]
        body.append([row["case"], *(f"{row[key]:.0f}" for key in keys), *seconds, f"< {row['target_mb']}: {met}"])
    titles = ["case", "imports", "both inputs", "registered", "warped", "s", "s with warp", "target (warped)"]
    return table(titles, body)


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [titles, ["---"] * len(titles), *rows])
