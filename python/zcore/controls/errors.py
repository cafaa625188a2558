"""What goes wrong with controls before the driver is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from zcore.errors import ChainError


class ControlError(ChainError, ValueError):
    """A control does not take that value, or cannot be read or set now.

    Attributes
    ----------
    control : str
        Name of the control.
    """

    def __init__(self, text: str, control: str = ""):
        super().__init__(text)
        self.control = control


class UnknownControlError(ControlError, KeyError, AttributeError):
    """The device has no control of that name."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put it into quotes


def nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Say which name may be meant, and which there are."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    listed = ", ".join(list(known)[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return (f"did you mean {' or '.join(close)}? " if close else "") + f"it has {listed or 'none'}"
