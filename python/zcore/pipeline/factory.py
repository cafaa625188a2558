"""What an element is: pads, properties, and the stage that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from zcore.pipeline.properties import Property, by_name
from zcore.pipeline.property_types import STRING
from zcore.stages.base import Stage

ANY = "ANY"

NAME = Property("name", STRING, None, "what the element is called, in references and in the report")

Arguments = Callable[[dict[str, Any]], dict[str, Any]]
Granted = Callable[[], list["Grant"]]


@dataclass(frozen=True)
class PadTemplate:
    """A pad that an element has, or can have.

    Attributes
    ----------
    name : str
        ``sink``, ``src``, or with a number to be chosen, ``src_%u``.
    direction : str
        ``sink`` or ``src``.
    caps : str
        What can ever pass here; what the present devices grant may be less.
    on_request : bool
        Whether there can be any number of it.
    """

    name: str
    direction: str
    caps: str = ANY
    on_request: bool = False

    def has(self, name: str) -> bool:
        """Tell whether a pad's name is one of this template."""
        if not self.on_request:
            return name == self.name
        return name == self.name or self.number(name) is not None

    def number(self, name: str) -> int | None:
        """Read the number out of a pad's name; ``None`` where it is no name of this template."""
        digits = name.removeprefix(self.name.removesuffix("%u"))
        fits = len(digits) < 10 and digits.isascii() and digits.isdecimal() and name == self.named(int(digits))
        return int(digits) if fits else None

    def named(self, number: int) -> str:
        """Give the name of the pad with a number."""
        return self.name.replace("%u", str(number))


@dataclass(frozen=True)
class Grant:
    """What one device of this machine grants at a pad.

    Attributes
    ----------
    pad : str
        Name of the pad's template.
    device : str
        Path of the device.
    caps : tuple of str
        One text for each structure.
    """

    pad: str
    device: str
    caps: tuple[str, ...]


@dataclass(frozen=True)
class Factory:
    """Makes the elements of one name.

    Attributes
    ----------
    name : str
        As it stands in a pipeline.
    long_name, klass, description : str
        For people; the klass in GStreamer's words, such as ``Source/Video``.
    stage : str
        Module and class of the stage, ``zcore.stages.capture:Capture``.
    pads : tuple of PadTemplate
    declared : tuple of Property
    arguments : callable, optional
        Turns the values that were written, by the keywords of their properties, into those of the stage's constructor.
    granted : callable, optional
        Looks at the present devices.
    required : mapping
        Properties that must be set, and why.
    device : str
        The device that it is made for, where there is one.
    """

    name: str
    long_name: str
    klass: str
    description: str
    stage: str
    pads: tuple[PadTemplate, ...]
    declared: tuple[Property, ...]
    arguments: Arguments | None = None
    granted: Granted | None = None
    required: Mapping[str, str] = field(default_factory=dict)
    device: str = ""

    @cached_property
    def properties(self) -> dict[str, Property]:
        """All properties by name, in alphabetical order."""
        return by_name(sorted((NAME, *self.declared), key=lambda one: one.name))

    def templates(self, direction: str) -> list[PadTemplate]:
        """List the pads of one direction, ``sink`` or ``src``."""
        return [pad for pad in self.pads if pad.direction == direction]

    def stage_class(self) -> type[Stage]:
        """Import the class of the stage."""
        module, _, name = self.stage.partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, type)
        assert issubclass(found, Stage)
        return found

    def make(self, name: str, values: Mapping[str, Any]) -> Stage:
        """Make the stage; no device is opened.

        Parameters
        ----------
        name : str
            Of the element, and of the stage.
        values : mapping
            Values by the names of their properties; what is left out keeps its default.
        """
        given = {self.properties[key].keyword: value for key, value in values.items() if self.properties[key].passed}
        if self.arguments is not None:
            given = self.arguments(given)
        return self.stage_class()(**given, name=name)


def sources(*caps: str) -> tuple[PadTemplate, ...]:
    """Give the pads of an element that gives frames and takes none."""
    return (PadTemplate("src", "src", "; ".join(caps) or ANY),)


def sinks(*caps: str) -> tuple[PadTemplate, ...]:
    """Give the pads of an element that takes frames and gives none."""
    return (PadTemplate("sink", "sink", "; ".join(caps) or ANY),)


def filters(taken: Sequence[str] = (), given: Sequence[str] = ()) -> tuple[PadTemplate, ...]:
    """Give the pads of an element that takes frames and gives frames."""
    return (*sinks(*taken), *sources(*given))
