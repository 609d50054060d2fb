"""Teach a checkpoint what Dice to expect of a registration, from people with labels, and write how right it is.

    python scripts/release/fit_trust.py brain             # a shipped name or a file; draws and fits, no file is changed
    python scripts/release/fit_trust.py brain --write --page docs/trust.md   # ... and puts the model into the card
    python scripts/release/fit_trust.py brain --quick     # fewer registrations: about 10 minutes on an idle core
    python scripts/release/fit_trust.py brain --test --page docs/trust.md    # once, at the end: develop-test

Registrations are kept in work/trust/ by the hash of the networks' weights and run once: a run that was stopped goes on.
After a change of the networks, the preprocessing or the evidence, delete that folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
from ISTNRegistrationLib.core.card import find_checkpoint
from ISTNRegistrationLib.core.checkpoint import load_checkpoint, save_checkpoint
from ISTNRegistrationLib.core.trust import model_from, to_card

from release.trust_fit import Table, fair, fit, read_table
from release.trust_report import fitted, page_part, spoken
from release.trust_runs import one_thread, run_cases, weights_hash, with_people

CASES, QUICK, TEST = 240, 120, 100
FOLDER = ROOT / "work" / "trust"


def main() -> None:
    """Draw, run, fit, report; write only what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a shipped name, or a file")
    parser.add_argument("--data", choices=("brain", "hippocampus"), help="of which people; by default the name's")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} registrations in the place of {CASES}")
    parser.add_argument("--minutes", type=float, default=30.0, help="stop running registrations after so long")
    parser.add_argument("--write", action="store_true", help="put the model into the checkpoint file")
    parser.add_argument("--test", action="store_true", help="measure the model in the checkpoint on develop-test")
    parser.add_argument("--page", type=Path, help="write what is found into this page")
    args = parser.parse_args()
    one_thread()
    (measure if args.test else teach)(args)


def teach(args) -> None:
    """Fit a model on develop-train and develop-val."""
    checkpoint = load_checkpoint(args.checkpoint)
    checkpoint, path = with_people(checkpoint, _data(args)), _table(args, checkpoint, "develop")
    run_cases(checkpoint, _data(args), "develop", QUICK if args.quick else CASES, path, args.minutes)
    table = _read(path, checkpoint)
    model = fit(table)
    print("\n".join(spoken(model, table, _names(checkpoint))))
    if args.page:
        page_part(args.page, f"{Path(args.checkpoint).stem} fitted", fitted(table))
    if args.write:
        card = checkpoint.card | {"trust": to_card(model, checkpoint.card["trust"]["people"])}
        save_checkpoint(find_checkpoint(args.checkpoint), checkpoint.model, card)


def measure(args) -> None:
    """How the model in the checkpoint does on people of whom nothing was used."""
    checkpoint = load_checkpoint(args.checkpoint)
    model = model_from(checkpoint.card)
    if model is None:
        raise SystemExit(f"{args.checkpoint}: it has no model of trust. Run this script with --write first.")
    path = _table(args, checkpoint, "test")
    run_cases(checkpoint, _data(args), "test", TEST, path, args.minutes)
    table = _read(path, checkpoint)
    lines = spoken(model, table, _names(checkpoint), new_people=True)
    print("\n".join(lines))
    if args.page:
        page_part(args.page, Path(args.checkpoint).stem, lines)


def _read(path: Path, checkpoint) -> Table:
    return fair(read_table(path, _names(checkpoint)), checkpoint.card, _names(checkpoint))


def _names(checkpoint) -> list[str]:
    return [channel.name for channel in checkpoint.config.channels]


def _data(args) -> str:
    return args.data or ("hippocampus" if Path(args.checkpoint).stem == "hippocampus" else "brain")


def _table(args, checkpoint, part: str) -> Path:
    return FOLDER / f"{Path(args.checkpoint).stem}-{weights_hash(checkpoint)}-{part}.csv"


if __name__ == "__main__":
    main()
