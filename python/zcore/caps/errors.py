"""The error of everything in this package."""

WINDOW = 100  # characters of a long text that are shown around the place


class CapsError(ValueError):
    """Caps that cannot be read or used; the message shows the text with a caret under the place.

    Attributes
    ----------
    text : str
        The caps that were given.
    position : int
        Index of the character in `text` at which it went wrong; the length of `text` where it ended too early.
    reason : str
        The message without the picture.
    """

    def __init__(self, reason: str, text: str = "", position: int = 0):
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(f"{reason}\n{_picture(text, position)}" if text else reason)

    def __reduce__(self) -> tuple[type["CapsError"], tuple[str, str, int]]:
        return type(self), (self.reason, self.text, self.position)


def _picture(text: str, position: int) -> str:
    """Show what is around the place on one line, and a caret under it."""
    start = max(0, min(position - WINDOW // 2, len(text) - WINDOW))
    end = min(len(text), start + WINDOW)
    head, tail = ("..." if start else ""), ("..." if end < len(text) else "")
    line = "".join(char if char.isprintable() else "?" for char in text[start:end])
    return f"    {head}{line}{tail}\n    {' ' * (len(head) + position - start)}^"
