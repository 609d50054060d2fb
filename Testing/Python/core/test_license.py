"""Plain words for licenses: the shipped ones, others, and none."""

import pytest
from ISTNRegistrationLib.core.card import read_card, shipped
from ISTNRegistrationLib.core.license import QUESTIONS, UNSETTLED, plain_text, plain_words


@pytest.mark.parametrize(
    "text, routine, study, product",
    [
        ("Trained on CC BY-NC data: non-commercial use", "no, if", "not without", "no:"),
        ("Creative Commons BY-NC-SA 4.0", "no, if", "not without", "no:"),
        ("for noncommercial use", "no, if", "not without", "no:"),
        ("Trained on CC BY-SA 4.0 data", "the license does not forbid", "yes; whoever", "the license does not forbid"),
        ("CC BY 4.0", "the license does not forbid", "yes; name", "yes; name"),
        ("Apache-2.0", "the license does not forbid", "yes; name", "yes; name"),
        ("our hospital's own", "not known", "not known", "not known"),
        ("permitted by the committee", "not known", "not known", "not known"),
        ("", "not known", "not known", "not known"),
    ],
)
def test_each_question_has_its_answer(text, routine, study, product):
    answers = plain_words(text)
    assert tuple(answers) == QUESTIONS
    for answer, start in zip(answers.values(), (routine, study, product), strict=True):
        assert answer.startswith(start), answer


def test_every_shipped_checkpoint_has_answers_and_a_file_beside_it_that_gives_them():
    for name, path in shipped().items():
        text = read_card(name).card["license"]
        assert "not known" not in plain_text(text)
        page = (path.parent / "LICENSES.md").read_text("utf-8")
        assert f"`{name}`" in page and text in page
        squeezed = " ".join(page.split())
        assert all(answer in squeezed for answer in plain_words(text).values()) and UNSETTLED in squeezed
