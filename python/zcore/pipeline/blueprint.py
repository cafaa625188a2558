"""Find out what a parsed pipeline means: which elements, which properties, which pads are linked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote as percent_decoded

from zcore.pipeline.errors import LaunchError, listing, nearest, short
from zcore.pipeline.factory import Factory, PadTemplate
from zcore.pipeline.grammar import (
    Assignment,
    BinNode,
    ChainNode,
    ElementNode,
    Item,
    LinkNode,
    PadName,
    PipelineNode,
    ReferenceNode,
    UrlNode,
    Value,
)
from zcore.pipeline.property_types import CAPS
from zcore.pipeline.registry import Registry, UnknownElementError
from zcore.pipeline.values import ValueProblem

BINS = ("bin", "pipeline")
URLS = {
    "src": {"file": ("filesrc", "location"), "v4l2": ("v4l2src", "device")},
    "sink": {"file": ("filesink", "location")},
}
MOST_ELEMENTS = 256
DIRECTIONS = {"src": "source", "sink": "sink"}


@dataclass(eq=False)
class Element:
    """An element with its values; ``linked`` maps its pads to the element at the other end."""

    factory: Factory
    name: str
    position: int
    end: int
    values: dict[str, Any] = field(default_factory=dict)
    linked: dict[str, Element] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name if self.name == self.factory.name else f"{self.name} ({self.factory.name})"


@dataclass(eq=False)
class Joint:
    """A link: who gives to whom, over which pads, and what the caps filters in it let pass."""

    source: Element
    sink: Element
    source_pad: str
    sink_pad: str
    caps: tuple[Any, ...]
    position: int


@dataclass(eq=False)
class Blueprint:
    """A pipeline as it can be built: everything has been looked up, and every pad is linked."""

    text: str
    elements: list[Element]
    joints: list[Joint]


@dataclass(eq=False)
class _End:
    """One end of a link, before names are looked up."""

    item: Element | ReferenceNode
    position: int
    end: int


def draw(tree: PipelineNode, registry: Registry | None = None) -> Blueprint:
    """Look up everything that a pipeline names.

    Raises
    ------
    LaunchError
        Unknown names, values that do not fit, pads that are not there, elements that are not linked.
    """
    return _Draughtsman(tree, registry or Registry()).blueprint()


class _Draughtsman:
    def __init__(self, tree: PipelineNode, registry: Registry):
        self.text = tree.text
        self.tree = tree
        self.registry = registry
        self.elements: list[Element] = []
        self.named: dict[str, Element] = {}
        self.bins: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.taken = {text for text, _ in _names(tree.chains)}
        self.pending: list[tuple[_End, LinkNode, _End]] = []
        self.joints: list[Joint] = []

    def error(self, message: str, position: int, end: int = 0, expected: tuple[str, ...] = ()) -> LaunchError:
        return LaunchError(message, self.text, position, end, expected)

    def blueprint(self) -> Blueprint:
        for chain in self.tree.chains:
            self.chain(chain)
        for source, link, sink in sorted(self.pending, key=lambda one: one[1].position):
            self.link(source, link, sink)
        self.check()
        return Blueprint(self.text, self.elements, self.joints)

    # Elements

    def chain(self, chain: ChainNode) -> tuple[_End, _End]:
        """Make the elements of a chain; gives its first and its last end."""
        ends = []
        last = len(chain.items) - 1
        for index, item in enumerate(chain.items):
            ends.append(self.item(item, first=index == 0, last=index == last and last > 0))
        for link, (_, source), (sink, _) in zip(chain.links, ends, ends[1:], strict=False):
            self.pending.append((source, link, sink))
        return ends[0][0], ends[-1][1]

    def item(self, item: Item, *, first: bool, last: bool) -> tuple[_End, _End]:
        if isinstance(item, BinNode):
            return self.bin(item)
        if isinstance(item, ElementNode):
            element: Element | ReferenceNode = self.element(item)
        elif isinstance(item, UrlNode):
            element = self.url(item, first=first, last=last)
        else:
            element = item
        end = _End(element, item.position, item.end)
        return end, end

    def bin(self, node: BinNode) -> tuple[_End, _End]:
        if node.kind not in BINS:
            raise self.error(
                f"no bin {node.kind!r}; zcore has bin and pipeline{nearest(node.kind, BINS)}", node.position, node.end
            )
        for one in node.assignments:
            if one.name != "name":
                raise self.error(
                    f"a bin only groups elements here; its one property is name, not {one.name}", one.position, one.end
                )
            self.claim(one.value.text, one.position, one.end)
            self.bins.add(one.value.text)
        ends = [self.chain(chain) for chain in node.chains]
        return ends[0][0], ends[-1][1]

    def element(self, node: ElementNode) -> Element:
        try:
            factory = self.registry.find(node.factory, {one.name for one in node.assignments})
        except UnknownElementError as error:
            raise self.error(str(error), node.position, node.position + len(node.factory)) from None
        name = None
        values: dict[str, Any] = {}
        for one in node.assignments:
            if one.name == "name":
                if name is not None:
                    raise self.error(f"the name is set twice, to {name!r} before", one.position, one.end)
                name = one.value.text
                self.claim(name, one.position, one.end)
            else:
                key = self.property_name(factory, one)
                values[key] = self.value(factory, key, one)
        end = node.position + len(node.factory)
        for key, why in factory.required.items():
            if key not in values:
                raise self.error(f"{factory.name} needs {key}=...: {why}", node.position, end, (key,))
        return self.add(factory, name, values, node.position, end)

    def add(self, factory: Factory, name: str | None, values: dict[str, Any], position: int, end: int) -> Element:
        if len(self.elements) == MOST_ELEMENTS:
            raise self.error(f"a pipeline has {MOST_ELEMENTS} elements at most", position, end)
        if name is None:
            name = self.free_name(factory.name)
        element = Element(factory, name, position, end, values)
        self.named[name] = element
        self.elements.append(element)
        return element

    def free_name(self, stem: str) -> str:
        """Number the elements that have no name of their own."""
        number = self.numbers.get(stem, 0)
        while f"{stem}{number}" in self.named or f"{stem}{number}" in self.taken:
            number += 1
        self.numbers[stem] = number + 1
        return f"{stem}{number}"

    def claim(self, name: str, position: int, end: int) -> None:
        if not name:
            raise self.error("a name has at least one character", position, end)
        if name in self.named or name in self.bins:
            raise self.error(f"two elements have the name {name!r}", position, end)

    def property_name(self, factory: Factory, one: Assignment) -> str:
        key = one.name.replace("_", "-")
        if key in factory.properties:
            return key
        known = factory.properties
        message = f"{factory.name} has no property {one.name!r}"
        if "::" in one.name:
            message = f"{one.name!r} would set a property of an element within {factory.name}, which has none"
        raise self.error(
            f"{message}{nearest(key, known)}; it has {listing(known)}", one.position, one.position + len(one.name)
        )

    def value(self, factory: Factory, key: str, one: Assignment) -> Any:
        declared = factory.properties[key]
        try:
            value = declared.convert(one.value.text)
        except ValueProblem as problem:
            hint = "; a blank must stand before ')'" if one.value.text.endswith(")") else ""
            position = one.value.at(problem.index) if problem.index else one.value.position
            end = one.value.end if problem.end is None else one.value.at(problem.end)
            raise self.error(
                f"{factory.name} {key}={short(one.value.text)}: {problem.message}{hint}", position, end
            ) from None
        self.registry.note(factory, declared, value)
        return value

    def url(self, node: UrlNode, *, first: bool, last: bool) -> Element:
        if not first and not last:
            raise self.error("an address stands at the beginning or at the end of a chain", node.position, node.end)
        scheme, _, path = node.url.text.partition("://")
        known = URLS["src" if first else "sink"]
        if scheme not in known or not path:
            forms = " or ".join(f"{name}:///..." for name in known)
            raise self.error(f"zcore has no element for this address here; it takes {forms}", node.position, node.end)
        name, key = known[scheme]
        factory = self.registry.find(name, {key})
        try:
            value = factory.properties[key].convert(percent_decoded(path, errors="surrogateescape"))
        except ValueProblem as problem:
            raise self.error(f"{name} {key}: {problem.message}", node.position, node.end) from None
        return self.add(factory, None, {key: value}, node.position, node.end)

    # Links

    def link(self, source: _End, link: LinkNode, sink: _End) -> None:
        giver, taker = self.resolve(source), self.resolve(sink)
        source_pad = self.pad(giver, "src", source, link.source_pad)
        sink_pad = self.pad(taker, "sink", sink, link.sink_pad)
        if giver is taker:
            raise self.error(f"{giver.name} cannot give frames to itself", link.position, link.end)
        giver.linked[source_pad] = taker
        taker.linked[sink_pad] = giver
        caps = tuple(self.caps(value) for value in link.caps)
        self.joints.append(Joint(giver, taker, source_pad, sink_pad, caps, link.position))

    def resolve(self, end: _End) -> Element:
        if isinstance(end.item, Element):
            return end.item
        name = end.item.name
        if name in self.named:
            return self.named[name]
        if name in self.bins:
            raise self.error(f"{name} is a bin; link an element in it", end.position, end.end)
        hint = f"{nearest(name, self.named)}; there are {listing(self.named)}"
        if self.registry.is_own(name):
            hint = f"; to make one write {name} without the dot, to refer to one give it name={name}"
        raise self.error(f"no element has the name {name!r}{hint}", end.position, end.end)

    def pad(self, element: Element, direction: str, end: _End, written: PadName | None) -> str:
        wanted, position, stop = None, end.position, end.end
        if isinstance(end.item, ReferenceNode) and end.item.pad:
            wanted, position = end.item.pad, end.item.pad_position
        elif isinstance(end.item, Element):
            stop = element.end
        if written is not None:
            if wanted is not None:
                raise self.error("two pads for one end of a link", written.position, written.end)
            wanted, position, stop = written.name, written.position, written.end
        templates = element.factory.templates(direction)
        if not templates:
            raise self.error(_cannot(element, direction), position, stop)
        if wanted is None:
            return self.free_pad(element, templates, position, stop)
        return self.wanted_pad(element, direction, wanted, position, stop)

    def free_pad(self, element: Element, templates: list[PadTemplate], position: int, stop: int) -> str:
        for template in templates:
            if not template.on_request:
                if template.name not in element.linked:
                    return template.name
                continue
            numbers = [number for pad in element.linked if (number := template.number(pad)) is not None]
            return template.named(max(numbers, default=-1) + 1)
        raise self.busy(element, templates[0].name, position, stop)

    def wanted_pad(self, element: Element, direction: str, wanted: str, position: int, stop: int) -> str:
        template = next((one for one in element.factory.pads if one.has(wanted)), None)
        if template is None or template.direction != direction:
            names = [one.name for one in element.factory.templates(direction)]
            what = f"{element} has no {DIRECTIONS[direction]} pad {wanted!r}"
            if template is not None:
                what = f"the pad {wanted!r} of {element} stands on the wrong side of the '!'"
            raise self.error(f"{what}; on this side it has {listing(names)}", position, stop, tuple(names))
        if wanted == template.name and template.on_request:
            return self.free_pad(element, [template], position, stop)
        if wanted in element.linked:
            raise self.busy(element, wanted, position, stop)
        return wanted

    def busy(self, element: Element, pad: str, position: int, stop: int) -> LaunchError:
        other = element.linked[pad].name
        if any(one.has(pad) and one.direction == "sink" for one in element.factory.pads):
            return self.error(f"{element} takes frames from {other} already; it has one sink pad", position, stop)
        cure = "take another pad" if element.factory.name == "tee" else "put a tee behind it"
        return self.error(f"the pad {pad} of {element} gives frames to {other} already; {cure}", position, stop)

    def caps(self, value: Value) -> Any:
        try:
            return CAPS.parse(value.text)
        except ValueProblem as problem:
            position = value.at(problem.index)
            raise self.error(f"caps {short(value.text)}: {problem.message}", position, position + 1) from None

    def check(self) -> None:
        """Refuse pads that nobody is linked to."""
        for element in self.elements:
            if not element.linked:
                raise self.error(f"{element} is not linked; write {_usage(element)}", element.position, element.end)
            for direction in ("sink", "src"):
                pads = element.factory.templates(direction)
                if pads and not any(pad.has(name) for pad in pads for name in element.linked):
                    what = "nothing comes before" if direction == "sink" else "nothing follows"
                    raise self.error(f"{what} {element}; write {_usage(element)}", element.position, element.end)
        self.check_rings()

    def check_rings(self) -> None:
        """Refuse links that form a ring; every element takes frames from one other at most."""
        before = {joint.sink: joint for joint in self.joints}
        fine: set[Element] = set()
        for element in self.elements:
            path: list[Element] = []
            at = element
            while at not in fine and at in before and at not in path:
                path.append(at)
                at = before[at].source
            if at in path:
                ring = [*path[path.index(at) :], at]
                joint = before[ring[0]]
                names = " ! ".join(one.name for one in reversed(ring))
                raise self.error(f"the links form a ring: {names}", joint.position, joint.position + 1)
            fine.update(path)


def _names(chains: tuple[ChainNode, ...]) -> Iterator[tuple[str, int]]:
    """Go over all names that are written out."""
    for chain in chains:
        for item in chain.items:
            if isinstance(item, ElementNode | BinNode):
                yield from ((one.value.text, one.position) for one in item.assignments if one.name == "name")
            if isinstance(item, BinNode):
                yield from _names(item.chains)


def _is_sink(element: Element, pad: str) -> bool:
    return any(one.has(pad) for one in element.factory.templates("sink"))


def _cannot(element: Element, direction: str) -> str:
    if direction == "src":
        return f"{element.factory.name!r} has no source pad, so nothing can follow it"
    return f"{element.factory.name!r} has no sink pad, so nothing can come before it"


def _usage(element: Element) -> str:
    before = "... ! " if element.factory.templates("sink") else ""
    after = " ! ..." if element.factory.templates("src") else ""
    return f"'{before}{element.factory.name}{after}'"
