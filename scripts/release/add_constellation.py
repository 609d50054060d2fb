"""Give a shipped checkpoint the mean constellation of its training people, which cards did not keep before.

    python scripts/release/add_constellation.py brain

The people are develop-train of ../shared/data; what is kept is what `istn train` keeps (core/pose.py: to_card). The
weights stay as they are, bit for bit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
from ISTNRegistrationLib.core.card import find_checkpoint
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ISTNRegistrationLib.core.pose import Constellation, constellation, to_card
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.structures import draw, read_structures
from paper import subjects


def people(checkpoint: Checkpoint, name: str) -> list[Constellation]:
    """Of each scan of develop-train, in the frame of the networks' grid around its anchor."""
    rows = [row for row in subjects.subject_rows(name) if row["split"] == "train"]
    return [_one(checkpoint, row) for row in rows]


def _one(checkpoint: Checkpoint, row: dict[str, str]) -> Constellation:
    config = checkpoint.config
    around = config.grid.at(Prepared(read_image(row["image"])).anchor(config.grid.anchor))
    maps = draw(read_structures(row["labels"], config.channels, config.ndim), config.channels, around)
    return constellation(maps, checkpoint.model.grid)


def main() -> None:
    """Write the checkpoint again with a fuller card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of a shipped checkpoint, which is also that of its data set")
    name = parser.parse_args().name
    checkpoint = load_checkpoint(name)
    found = to_card(people(checkpoint, name))
    if not found:
        sys.exit(f"{name} has too few structures for a pose; nothing was written.")
    save_checkpoint(find_checkpoint(name), checkpoint.model, checkpoint.card | found)


if __name__ == "__main__":
    main()
