"""What a checkpoint's license says in plain words: routine, a paid study, a product. Free of torch.

These sentences repeat what the license of the training data says, and what is unsettled; they are no legal advice.
"""

from __future__ import annotations

import re

QUESTIONS = ("routine", "paid study", "product")
ASK = "ask whoever trained the checkpoint"
SHARE = "whoever hands the checkpoint on must name the authors and keep the same license"
NC = "the data may not be used for commercial advantage or payment"
KINDS = (
    (
        r"by-nc|non-?commercial",
        f"no, if the care is paid for: {NC}; no, in any case, as a medical device: it is for research",
        f"not without the data owners' consent: {NC}; unpaid academic research is what the license allows",
        f"no: {NC}",
    ),
    (
        r"by-sa",
        "the license does not forbid it; but it is for research, and no medical device",
        f"yes; {SHARE}",
        f"the license does not forbid it; {SHARE}; whether that reaches the product around it is unsettled",
    ),
    (
        r"\bcc[ -]?by\b|cc0|public domain|apache|\bmit\b|bsd",
        "the license does not forbid it; but it is for research, and no medical device",
        "yes; name the authors",
        "yes; name the authors; a medical device needs its own approval",
    ),
)
UNSETTLED = (
    "Whether trained weights are a work derived from their training data, so that the data's license binds them, is "
    "unsettled in law; the sentences above take it that it does. This is no legal advice."
)


def plain_words(license_text: str) -> dict[str, str]:
    """Answers to QUESTIONS for a card's license, in plain words; that it is not known where it is not."""
    text = license_text.lower().replace("creative commons", "cc")
    for pattern, *answers in KINDS:
        if re.search(pattern, text):
            return dict(zip(QUESTIONS, answers, strict=True))
    return dict.fromkeys(QUESTIONS, f"not known: {ASK}")


def plain_text(license_text: str) -> str:
    """``plain_words`` as one paragraph."""
    answers = plain_words(license_text)
    return " ".join(f"{question.capitalize()}: {answer}." for question, answer in answers.items())
