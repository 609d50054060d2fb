"""Cards are read without torch, and broken files are one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest
from ISTNRegistrationLib.bridge.checkpoints import cardText, checkpointFiles, readCard, shippedFolder
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError


def test_the_card_says_what_the_checkpoint_is():
    for path in checkpointFiles([shippedFolder()]):
        card, loaded = readCard(path), load_checkpoint(path.stem)
        assert card.transforms == loaded.config.transforms
        assert card.structures == tuple(c.name for c in loaded.config.channels)
        text = cardText(card)
        assert loaded.card["license"] in text and "Dice 0." in text and card.structures[0] in text


def test_reading_a_card_imports_no_torch():
    library = Path(__file__).resolve().parents[3] / "ISTNRegistration" / "ISTNRegistrationLib" / "bridge"
    code = (
        f"import sys, types; sys.path.insert(0, {str(library.parent.parent)!r}); "
        "from ISTNRegistrationLib.bridge import checkpoints as c; "
        "c.cardText(c.readCard(c.shippedFolder() / 'brain.h5')); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "b.h5").write_bytes(b"nothing")
    for name, words in (("b.h5", "cannot be read"), ("c.h5", "no such file")):
        with pytest.raises(InputError, match=words):
            readCard(tmp_path / name)
