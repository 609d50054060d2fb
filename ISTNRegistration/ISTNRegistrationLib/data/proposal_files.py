"""The files of a proposal: configuration and contact sheet, as ``istn init`` and the tab Train write them."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.files import write_text
from .contact_sheet import contact_sheet
from .outputs import all_or_nothing
from .proposal import WRITTEN_HERE, Proposal
from .proposal_text import configuration, findings

NAME, LIST, SHEET, TEST_PAIRS = "training.toml", "subjects.csv", "training-data.html", "test_pairs.csv"


def check_own(path: Path) -> None:
    """Raise InputError for a configuration that somebody else wrote."""
    if path.is_file() and not path.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN_HERE):
        todo = "Use it, rename it, or choose another folder"
        raise InputError("Configuration", "there is one already", "no file, or one of istn init", str(path), todo)


def texts_of(proposal: Proposal, list_name: str) -> dict[str, str]:
    """The configuration that reads the list ``list_name`` beside it, and the page with every person, by file name."""
    return {NAME: configuration(proposal, NAME, list_name), SHEET: contact_sheet(proposal, findings(proposal))}


def write_texts(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write texts into a folder, all of them or none; their paths.

    Raises:
        InputError: one cannot be written.
    """
    with all_or_nothing() as temporary:
        for name, text in texts.items():
            write_text(temporary(folder / name), text, f"'{name}'")
    return [folder / name for name in texts]
