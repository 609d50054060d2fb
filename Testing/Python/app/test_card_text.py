"""The card as the panel shows it, without torch."""

import subprocess
import sys
from pathlib import Path

from ISTNRegistrationLib.app.card_text import cardText
from ISTNRegistrationLib.core.card import read_card, shipped


def test_the_card_says_what_the_checkpoint_is():
    for name in shipped():
        card = read_card(name)
        text = cardText(card)
        assert card.card["license"] in text and "Dice 0." in text and card.structures[0] in text
        assert "checksum" not in text


def test_reading_a_card_imports_no_torch():
    library = Path(__file__).resolve().parents[3] / "ISTNRegistration" / "ISTNRegistrationLib" / "app"
    code = (
        f"import sys, types; sys.path.insert(0, {str(library.parent.parent)!r}); "
        "from ISTNRegistrationLib.app.card_text import cardText; "
        "from ISTNRegistrationLib.core.card import read_card; "
        "cardText(read_card('brain')); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
