"""The two exceptions that leave the library on purpose."""

LONGEST_QUOTE = 300


class InputError(ValueError):
    """Input, option or file that cannot be used; the message says what, expected, got and what to do.

    It is one line: no part is longer than ``LONGEST_QUOTE`` characters, however much of a file is quoted.
    """

    def __init__(self, who: str, what: str, expected: str = "", got: str = "", todo: str = "") -> None:
        who, what, expected, got, todo = (quoted(part) for part in (who, what, expected, got, todo))
        parts = [f"{who}: {what}."]
        if expected:
            parts.append(f"Expected {expected}; got {got}.")
        if todo:
            parts.append(f"{todo}.")
        super().__init__(" ".join(parts))


class RegistrationCancelled(Exception):
    """Raised by a progress callback to abandon the run; nothing of it is kept."""


def quoted(text: str) -> str:
    """``text`` on one line, its middle left out where it is long, and what cannot be printed escaped."""
    text = str(text)
    if len(text) > LONGEST_QUOTE:
        half = LONGEST_QUOTE // 2 - 3
        text = f"{text[:half]} ... {text[-half:]}"
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
