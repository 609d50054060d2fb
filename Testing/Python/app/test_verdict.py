"""The light in words, shapes and other languages: told apart without color, and no sentence stays untranslated."""

import math
from types import SimpleNamespace

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import application  # noqa: E402

application.install()
from ISTNRegistrationLib.app import verdict as texts  # noqa: E402
from ISTNRegistrationLib.core.options import TRANSFORMS  # noqa: E402
from ISTNRegistrationLib.core.quality import HEADINGS, StageQuality, verdict  # noqa: E402
from ISTNRegistrationLib.core.trust import Expectation, Expected  # noqa: E402
from ISTNRegistrationLib.data.masks import HIDES  # noqa: E402

from harness import panel  # noqa: E402, F401  isort: skip  slicer.app as the panel needs it

NAN = math.nan
GOOD = {"agreement": 0.9, "dice": NAN, "asd_mm": NAN, "hd95_mm": NAN, "tre_mm": NAN, "folded": 0}
EXPECTATION = Expectation(Expected("", 0.8, 0.75, 0.85), (Expected("amygdala", 0.7, 0.6, 0.8),))
POOR = Expectation(Expected("", 0.3, 0.1, 0.5), (Expected("amygdala", 0.1, 0.0, 0.4),))
KINDS = {
    "good": ({}, ()),
    "nothing seen": ({"agreement": NAN}, ()),
    "hardly": ({"agreement": 0.3}, ()),
    "fairly": ({"agreement": 0.6}, ()),
    "hardly overlap": ({"dice": 0.2}, ()),
    "fairly overlap": ({"dice": 0.6}, ()),
    "folds": ({"folded": 900}, ()),
    "folds a little": ({"folded": 3}, ()),
    "all": ({"agreement": 0.3, "dice": 0.2, "folded": 900}, ()),
    "expected": ({"expectation": EXPECTATION}, ()),
    "expected to be poor": ({"expectation": POOR}, ()),
    "notes": ({}, ("Stage 'affine refined' made things worse: 'affine' was kept.",)),
    "fixed mask": ({"expectation": POOR}, (), (HIDES.format("fixed", 12.4, 0.6, "amygdala"),)),
    "moving mask": ({"agreement": 0.6}, (), (HIDES.format("moving", 12.4, 0.6, "amygdala"),)),
    "memory": ({}, ("The graphics card ran out of memory; the CPU was used instead.",)),
}


def told(kind):
    values, *said = KINDS[kind]
    row = StageQuality(stage="affine", displacement_mm=1.0, seconds=1.0, kept=True, **(GOOD | values))
    return verdict(row, 10000, *said)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sentence_of_a_reason_is_translated(kind, monkeypatch):
    monkeypatch.setattr(texts, "_", lambda text: f"<{text.replace('e', 'ö')}>")
    reason = told(kind).reason
    translated = texts.reasonText(reason)

    assert translated.startswith("<") and "e" not in translated, translated


def test_the_numbers_and_names_of_a_reason_stay(monkeypatch):
    assert texts.reasonText(told("all").reason) == told("all").reason
    assert texts.reasonText(told("expected to be poor").reason) == told("expected to be poor").reason
    german = {"The structures hardly agree (predicted {0}).": "Kaum gleich ({0})."}
    monkeypatch.setattr(texts, "_", lambda text: german.get(text, text))
    assert texts.reasonText(told("all").reason).startswith("Kaum gleich (0.30). This checkpoint cannot tell")
    assert "affine, refined" in texts.reasonText(told("notes").reason)


def test_an_unknown_sentence_or_stage_is_shown_as_it_is():
    assert texts.reasonText("Something new happened.") == "Something new happened."
    assert texts.stageName("new stage") == "new stage"


def test_every_measure_of_the_table_is_explained():
    explained = texts.measureTexts()
    assert set(explained) == set(HEADINGS) - {"stage"}
    assert len({tip for _, tip in explained.values()}) == len(explained)


def test_the_lights_differ_in_shape_and_word_and_not_only_in_color():
    shapes = {}
    for light in texts.LIGHTS:
        image = texts.lamp(light).toImage()
        size = range(texts.LIGHT_SIZE)
        shapes[light] = tuple(image.pixelColor(x, y).alpha() > 128 for y in size for x in size)
    assert len(set(shapes.values())) == 3
    assert len({texts.lightWord(light) for light in texts.LIGHTS}) == len(set(texts.SIGNS.values())) == 3


def test_a_verdict_in_words_names_the_light_and_the_reason():
    assert texts.verdictText(SimpleNamespace(light="red", reason="It folds.")) == "Poor: It folds."


def test_every_stage_of_every_transform_is_translated(monkeypatch):
    monkeypatch.setattr(texts, "_", lambda text: f"<{text}>")
    refined = [f"{name} refined" for name in TRANSFORMS if name != "dense"]  # dense is refined from the start
    names = ["initial", *TRANSFORMS, *refined]
    assert [name for name in names if not texts.stageName(name).startswith("<")] == []
