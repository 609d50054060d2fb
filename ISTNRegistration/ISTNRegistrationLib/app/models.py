"""The list of checkpoints, and the card of the chosen one."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.card import read_card, shipped
from ..core.errors import InputError
from ..core.files import is_file
from .card_text import cardText

OWN_FILES = "ISTNRegistration/Checkpoints"


class ModelChooser:
    """Fills the combo box with shipped checkpoints and those that the user added; shows the card of the chosen one.

    Attributes:
        card: CheckpointCard, None when there is none to show.
        problem: what is wrong with the choice, or "".

    Args:
        onChange: called with the name (shipped) or path of what the user chose.
    """

    def __init__(self, ui, onChange) -> None:
        self.ui, self._onChange = ui, onChange
        self.card, self.problem = None, _("Select a checkpoint")
        ui.checkpointComboBox.connect("activated(int)", self._onActivated)
        ui.browseButton.connect("clicked(bool)", self.browse)

    @property
    def transforms(self) -> tuple[str, ...]:
        """What the chosen checkpoint offers."""
        return tuple(self.card.transforms) if self.card is not None else ()

    def refresh(self) -> None:
        """List what is shipped and what the user added, as far as it is still there."""
        box = self.ui.checkpointComboBox
        box.clear()
        for name in shipped():
            box.addItem(name, name)
        for path in self._ownFiles():
            self._listed(path)

    def select(self, checkpoint: str) -> None:
        """Show this one: a shipped name or a path."""
        box = self.ui.checkpointComboBox
        if box.findData(checkpoint) < 0 and is_file(checkpoint):
            self._listed(Path(checkpoint))
        box.currentIndex = box.findData(checkpoint)
        path = shipped().get(checkpoint, Path(checkpoint))
        if self.card is not None and self.card.path == path:
            return
        self.card, self.problem = None, ""
        try:
            self.card = read_card(path)
        except InputError as error:
            self.problem = _("Select a checkpoint that can be read")
            self.ui.cardTextLabel.text = str(error)
            return
        self.ui.cardTextLabel.text = cardText(self.card)

    def add(self, path) -> None:
        """Put a checkpoint file into the list for good, and choose it."""
        path = Path(path)
        known = [str(p) for p in self._ownFiles() if p != path]
        slicer.app.userSettings().setValue(OWN_FILES, "\n".join([*known, str(path)]))
        self._listed(path)
        self._onChange(str(path))

    def browse(self) -> None:
        """Let the user pick a file."""
        chosen = qt.QFileDialog.getOpenFileName(None, _("Choose a checkpoint"), "", _("ISTN checkpoint (*.h5)"))
        path = chosen[0] if isinstance(chosen, tuple) else chosen
        if path:
            self.add(path)

    def _listed(self, path: Path) -> None:
        if self.ui.checkpointComboBox.findData(str(path)) < 0:
            self.ui.checkpointComboBox.addItem(f"{path.stem} ({path.parent.name})", str(path))

    def _ownFiles(self) -> list[Path]:
        text = str(slicer.app.userSettings().value(OWN_FILES) or "")
        return [Path(line) for line in text.splitlines() if is_file(line)]

    def _onActivated(self, index: int) -> None:
        self._onChange(self.ui.checkpointComboBox.itemData(index))
