"""The grammar of pipeline strings: text becomes a tree of what stands where. Nothing is looked up here.

.. code-block:: text

    pipeline  = { chain }
    chain     = item { link item }
    item      = element | reference | bin | url
    element   = NAME { NAME "=" VALUE }
    reference = NAME "." [ PAD ]
    bin       = ( "(" | NAME ".(" ) { NAME "=" VALUE } { chain } ")"
    link      = [ "." PAD ] "!" { CAPS "!" } [ "." PAD ]

A reference stands at the beginning or at the end of a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zcore.pipeline.errors import LaunchError, short
from zcore.pipeline.tokens import Token, join, tokenize, unquote

DEEPEST = 32
"""How deep bins may be nested."""


@dataclass(frozen=True)
class Value:
    """A text with the place of each of its characters in the pipeline, and one place more for its end."""

    text: str
    positions: tuple[int, ...]

    @property
    def position(self) -> int:
        """Where it begins."""
        return self.positions[0]

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.positions[-1]

    def at(self, index: int) -> int:
        """Tell where a character of it stands in the pipeline."""
        return self.positions[min(max(index, 0), len(self.positions) - 1)]


@dataclass(frozen=True)
class Assignment:
    """``name=value``."""

    name: str
    value: Value
    position: int
    end: int


@dataclass(frozen=True)
class ElementNode:
    """An element with its properties, in the order in which they were written."""

    factory: str
    position: int
    end: int
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class UrlNode:
    """An address in the place of an element."""

    url: Value
    position: int
    end: int


@dataclass(frozen=True)
class ReferenceNode:
    """``name.`` or ``name.pad``: an element that stands elsewhere."""

    name: str
    position: int
    end: int
    pad: str | None = None
    pad_position: int = -1


@dataclass(frozen=True)
class BinNode:
    """``( ... )``: chains that belong together."""

    kind: str
    position: int
    end: int
    assignments: tuple[Assignment, ...]
    chains: tuple[ChainNode, ...]


Item = ElementNode | UrlNode | ReferenceNode | BinNode


@dataclass(frozen=True)
class PadName:
    """``.pad`` beside a link."""

    name: str
    position: int
    end: int


@dataclass(frozen=True)
class LinkNode:
    """``!``, with the caps filters in it and the pads beside it."""

    position: int
    end: int
    caps: tuple[Value, ...] = ()
    source_pad: PadName | None = None
    sink_pad: PadName | None = None


@dataclass(frozen=True)
class ChainNode:
    """Items in a row; ``links[i]`` joins ``items[i]`` and ``items[i + 1]``."""

    items: tuple[Item, ...]
    links: tuple[LinkNode, ...] = ()


@dataclass(frozen=True)
class PipelineNode:
    """A whole pipeline, with its text."""

    text: str
    chains: tuple[ChainNode, ...] = ()


def parse(text: str | Sequence[str]) -> PipelineNode:
    """Parse a pipeline, as one text or as the words that a shell left over.

    Raises
    ------
    LaunchError
        Where it does not follow the grammar.
    """
    whole = text if isinstance(text, str) else join(text)
    return _Parser(whole).pipeline()


class _Parser:
    """Goes over the words once, from left to right."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = tokenize(text)
        self.index = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def take(self) -> Token:
        token = self.token
        self.index += 1
        return token

    def error(self, message: str, token: Token, expected: Sequence[str] = ()) -> LaunchError:
        return LaunchError(message, self.text, token.position, token.end, expected)

    def pipeline(self) -> PipelineNode:
        chains = self.chains()
        if self.token.kind == ")":
            raise self.error("')' closes nothing: there is no '(' before it", self.token)
        if not chains:
            raise LaunchError("the pipeline is empty; write SOURCE ! SINK", self.text, 0, 0)
        return PipelineNode(self.text, tuple(chains))

    def chains(self) -> list[ChainNode]:
        found = []
        while self.token.kind not in ("end", ")"):
            found.append(self.chain())
        return found

    def chain(self) -> ChainNode:
        items = [self.item()]
        links: list[LinkNode] = []
        while self.token.kind in ("link", "pad"):
            source_pad = self.pad()
            if source_pad is not None and isinstance(items[-1], ReferenceNode):
                name, pad = items[-1].name, items[-1].pad
                message = f"write the pad into the reference: {name}.{source_pad.name}"
                if pad:
                    message = f"a reference has one pad; {name}. has {pad} and {source_pad.name}"
                raise LaunchError(message, self.text, items[-1].position, source_pad.end)
            if self.token.kind != "link":
                raise self.error(f"'!' must follow the pad .{source_pad.name if source_pad else ''}", self.token, ["!"])
            if links and isinstance(items[-1], ReferenceNode):
                name = items[-1].name
                raise self.error(
                    f"a chain ends at a reference; begin another one with it: '... ! {name}. {name}. ! ...'", self.token
                )
            links.append(self.link(source_pad))
            items.append(self.item())
        if not links and isinstance(items[0], ReferenceNode):
            raise self.lone(items[0])
        return ChainNode(tuple(items), tuple(links))

    def lone(self, reference: ReferenceNode) -> LaunchError:
        name = reference.name
        message = f"the reference {name}. is not linked; write '{name}. ! ...' or '... ! {name}.'"
        if self.token.kind == "assignment":
            message = f"properties of {name} are set where it stands, behind its element's name"
        return LaunchError(message, self.text, reference.position, reference.end, ["!"])

    def link(self, source_pad: PadName | None) -> LinkNode:
        first = token = self.take()
        caps = []
        while token.value:
            text, positions = unquote(token.value, token.value_position)
            caps.append(Value(text, tuple(positions)))
            if self.token.position >= token.end:
                break
            token = self.take()
        return LinkNode(first.position, token.end, tuple(caps), source_pad, self.pad())

    def pad(self) -> PadName | None:
        if self.token.kind != "pad":
            return None
        token = self.take()
        if self.token.kind == ",":
            raise self.error("zcore links one pad at a time; write a chain for each", self.token)
        return PadName(token.name, token.position, token.end)

    def item(self) -> Item:
        token = self.take()
        if token.kind == "name":
            return ElementNode(token.name, token.position, token.end, self.assignments())
        if token.kind == "reference":
            if self.token.kind == ",":
                raise self.error("zcore links one pad at a time; write a chain for each", self.token)
            return ReferenceNode(token.name, token.position, token.end, token.value or None, token.value_position)
        if token.kind in ("(", "bin"):
            return self.bin(token)
        if token.kind == "url":
            text, positions = unquote(token.name, token.position)
            return UrlNode(Value(text, tuple(positions)), token.position, token.end)
        raise self.unexpected(token)

    def assignments(self) -> tuple[Assignment, ...]:
        found = []
        while self.token.kind == "assignment":
            token = self.take()
            text, positions = unquote(token.value, token.value_position)
            found.append(Assignment(token.name, Value(text, tuple(positions)), token.position, token.end))
        return tuple(found)

    def bin(self, opened: Token) -> BinNode:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"bins are nested more than {DEEPEST} deep", opened)
        assignments = self.assignments()
        chains = self.chains()
        if self.token.kind != ")":
            raise self.error("this '(' is not closed; ')' must follow", opened, [")"])
        closed = self.take()
        if not chains:
            raise LaunchError("a bin without elements", self.text, opened.position, closed.end)
        self.depth -= 1
        return BinNode(opened.name or "bin", opened.position, closed.end, assignments, tuple(chains))

    def unexpected(self, token: Token) -> LaunchError:
        before = self.tokens[self.index - 2] if self.index > 1 else None
        linked = before is not None and before.kind in ("link", "pad")
        written = self.text[token.position : token.end]
        if token.kind == "end" and linked:
            mark = next(t for t in reversed(self.tokens) if t.kind == "link")
            return self.error("an element must follow the last '!'", mark, ["an element", "a reference"])
        if token.kind == "assignment":
            return self.error(
                f"{short(written)} sets a property, but no element stands before it", token, ["an element"]
            )
        if token.kind == "link" and linked:
            caps = before is not None and before.value
            if caps and token.value == "":
                return self.error("an element must stand between the two '!'", token, ["an element", "a reference"])
            if not token.value:
                return self.error(
                    "nothing stands between the two '!'", token, ["an element", "a reference", "a caps filter"]
                )
        if token.kind in ("link", "pad") and before is None:
            return self.error("an element must stand before the first '!'", token, ["an element", "a reference"])
        return self.error(
            f"{short(written)} stands where an element is expected", token, ["an element", "a reference", "'('"]
        )
