"""The two exceptions that leave the library on purpose."""


class InputError(ValueError):
    """Input, option or file that cannot be used; the message says what, expected, got and what to do."""

    def __init__(self, who: str, what: str, expected: str = "", got: str = "", todo: str = "") -> None:
        parts = [f"{who}: {what}."]
        if expected:
            parts.append(f"Expected {expected}; got {got}.")
        if todo:
            parts.append(f"{todo}.")
        super().__init__(" ".join(parts))


class RegistrationCancelled(Exception):
    """Raised by a progress callback to abandon the run; nothing of it is kept."""
