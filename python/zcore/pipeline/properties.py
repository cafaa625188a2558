"""Properties of elements: what they are called, what they take, what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zcore.pipeline.property_types import Type
from zcore.pipeline.values import ValueProblem


@dataclass(frozen=True)
class Property:
    """One property of an element.

    Attributes
    ----------
    name : str
        GStreamer's name.
    type : Type
    default : object
        As GStreamer has it.
    meaning : str
        What it does in zcore.
    unit : str
        Of numbers.
    readable, writable : bool
        Whether it can be read while the pipeline runs, and set in a pipeline.
    without_effect : str
        Why setting it changes nothing here; it is accepted, and a line is logged.
    only_default : str
        Why nothing but the default can be had here; another value is refused with it.
    """

    name: str
    type: Type
    default: Any
    meaning: str
    unit: str = ""
    readable: bool = True
    writable: bool = True
    without_effect: str = ""
    only_default: str = ""

    @property
    def keyword(self) -> str:
        """The keyword of the stage's constructor."""
        return self.name.replace("-", "_")

    @property
    def passed(self) -> bool:
        """Whether the stage gets it."""
        return self.writable and not self.without_effect and not self.only_default

    def convert(self, text: str) -> Any:
        """Turn the text of a value into the value.

        Raises
        ------
        ValueProblem
            Not a value of this property, or one that cannot be had.
        """
        if not self.writable:
            raise ValueProblem("it can only be read")
        value = self.type.parse(text)
        if self.only_default and value != self.default:
            raise ValueProblem(f"only {self.type.show(self.default) or 'its default'} can be had: {self.only_default}")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Give everything about it as plain data."""
        default = self.default
        if default is not None and not isinstance(default, bool | int | float | str):
            default = self.type.show(default)
        return {
            "name": self.name,
            **self.type.to_dict(),
            "default": default,
            "unit": self.unit,
            "meaning": self.meaning,
            "readable": self.readable,
            "writable": self.writable,
            "without_effect": self.without_effect,
            "only_default": self.only_default,
        }


def by_name(properties: Sequence[Property]) -> dict[str, Property]:
    """Index properties by their names; a name that stands twice is a mistake in a declaration."""
    found = {one.name: one for one in properties}
    if len(found) != len(properties):
        raise ValueError("a property is declared twice: " + ", ".join(one.name for one in properties))
    return found
