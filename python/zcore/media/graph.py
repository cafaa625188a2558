"""A media graph: entities, their pads, the links between them, and the device nodes that lead to them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zcore._media import MediaFile
from zcore._subdev import MbusFormat, Subdev
from zcore.errors import ChainError, make_error
from zcore.media import nodes
from zcore.media.codes import code_name, code_of

SINK, SOURCE, MUST_CONNECT = 1, 2, 4  # MEDIA_PAD_FL_*
ENABLED, IMMUTABLE, DYNAMIC = 1, 2, 4  # MEDIA_LNK_FL_*
_LINK_TYPE, _INTERFACE_LINK = 0xF << 28, 1 << 28
INDEX_SINCE = 4 << 16 | 19 << 8  # media_version from which on pads tell their index
SUBDEV = 0x203  # MEDIA_INTF_T_V4L_SUBDEV

# MEDIA_ENT_F_*, in words.
FUNCTIONS = {
    0x00000001: "dtv demod", 0x00000002: "ts demux", 0x00000003: "dtv ca", 0x00000004: "dtv net decap",
    0x00010001: "video node", 0x00001001: "dtv node", 0x00001002: "vbi node", 0x00001003: "sdr node",
    0x00020000: "unknown", 0x00020001: "sensor", 0x00020002: "flash", 0x00020003: "lens", 0x00020004: "analog decoder",
    0x00020005: "tuner", 0x00002001: "if video decoder", 0x00002002: "if audio decoder", 0x00003001: "audio capture",
    0x00003002: "audio playback", 0x00003003: "audio mixer", 0x00004001: "composer", 0x00004002: "pixel formatter",
    0x00004003: "pixel encoding converter", 0x00004004: "lut", 0x00004005: "scaler", 0x00004006: "statistics",
    0x00004007: "encoder", 0x00004008: "decoder", 0x00004009: "isp", 0x00005001: "mux", 0x00005002: "bridge",
    0x00006001: "digital decoder", 0x00006002: "digital encoder", 0x00030001: "rf connector",
    0x00030002: "s-video connector", 0x00030003: "composite connector",
}  # fmt: skip
INTERFACES = {
    0x200: "video", 0x201: "vbi", 0x202: "radio", 0x203: "subdev", 0x204: "swradio", 0x205: "touch",
    0x300: "pcm capture", 0x301: "pcm playback", 0x302: "alsa control",
}  # fmt: skip


@dataclass(eq=False)
class Interface:
    """A device node that belongs to the graph; ``path`` is ``None`` where the node is not there."""

    id: int
    kind: str
    number: tuple[int, int]
    path: str | None

    def __str__(self) -> str:
        return self.path or f"{self.kind} {self.number[0]}:{self.number[1]}"


@dataclass(eq=False)
class Pad:
    """An end of an entity. Print it to get it as ``media-ctl`` writes it: ``'Scaler':0``."""

    id: int
    entity: Entity
    index: int
    flags: int
    links: list[Link] = field(default_factory=list)

    @property
    def is_sink(self) -> bool:
        """Whether data go in here."""
        return bool(self.flags & SINK)

    @property
    def must_connect(self) -> bool:
        """Whether it needs an enabled link before the stream starts."""
        return bool(self.flags & MUST_CONNECT)

    def subdev(self) -> Subdev:
        """Open the sub-device that this pad belongs to.

        Raises
        ------
        ChainError
            The entity has no sub-device node: it is a video node, or its driver lets nobody in.
        """
        path = self.entity.subdev_path
        if path is None:
            raise ChainError(f"{self}: {self.entity.name!r} has no sub-device node, so its pads have no format to set")
        return Subdev(path)

    def format(self, *, stream: int = 0) -> MbusFormat:
        """Read the active format of the pad."""
        with self.subdev() as device:
            return device.get_format(self.index, stream=stream)

    def try_format(self, code: str | int, size: tuple[int, int]) -> MbusFormat:
        """Ask what the driver would grant, without changing anything."""
        with self.subdev() as device:
            return device.set_format(self.index, *size, code_of(code), test=True)

    def set_format(
        self, code: str | int, size: tuple[int, int], *, field: int | None = None, stream: int = 0
    ) -> MbusFormat:
        """Set the active format; what the driver granted comes back, and may differ.

        Parameters
        ----------
        code : str or int
            What goes over the bus, such as ``SRGGB8_1X8``.
        size : (int, int)
            Pixels.
        field : int, optional
            V4L2_FIELD_*; left out: as it is.
        stream : int
            Of a sub-device with streams.

        Raises
        ------
        ValueError
            No code has that name.
        DeviceError
            The driver refused; EBUSY: it streams.
        """
        number = code_of(code)
        with self.subdev() as device:
            return device.set_format(self.index, *size, number, field=field, stream=stream)

    def codes(self, *, stream: int = 0) -> list[str]:
        """List the names of the codes that it can carry, in the driver's order."""
        with self.subdev() as device:
            return [code_name(code) for code in device.codes(self.index, stream=stream)]

    def __str__(self) -> str:
        return f"'{self.entity.name}':{self.index}"

    def __repr__(self) -> str:
        return f"<Pad {self}>"


@dataclass(eq=False)
class Link:
    """A data link between two pads. Print it to get it as ``media-ctl`` writes it: ``'A':0->'B':1[1]``."""

    id: int
    source: Pad
    sink: Pad
    flags: int

    @property
    def enabled(self) -> bool:
        """Whether data flow over it."""
        return bool(self.flags & ENABLED)

    @property
    def immutable(self) -> bool:
        """Whether it is wired for good."""
        return bool(self.flags & IMMUTABLE)

    @property
    def dynamic(self) -> bool:
        """Whether it may be changed while it streams."""
        return bool(self.flags & DYNAMIC)

    def __str__(self) -> str:
        return f"{self.source}->{self.sink}[{int(self.enabled)}]"

    def __repr__(self) -> str:
        return f"<Link {self}>"


@dataclass(eq=False)
class Entity:
    """A part of the device: a sensor, a scaler, a video node."""

    id: int
    name: str
    function: str
    flags: int
    pads: list[Pad] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)

    @property
    def sinks(self) -> list[Pad]:
        """Pads where data go in."""
        return [pad for pad in self.pads if pad.is_sink]

    @property
    def sources(self) -> list[Pad]:
        """Pads where data come out."""
        return [pad for pad in self.pads if not pad.is_sink]

    @property
    def path(self) -> str | None:
        """Its first device node; ``None`` where it has none."""
        return next((one.path for one in self.interfaces if one.path), None)

    @property
    def subdev_path(self) -> str | None:
        """Its sub-device node; ``None`` where it has none."""
        return next((one.path for one in self.interfaces if one.kind == "subdev"), None)

    @property
    def video_path(self) -> str | None:
        """Its video node; ``None`` where it is none."""
        return next((one.path for one in self.interfaces if one.kind == "video"), None)

    def __str__(self) -> str:
        return f"'{self.name}'"

    def __repr__(self) -> str:
        return f"<Entity {self.id} {self.name!r} {self.function}>"


class MediaDevice:
    """A media device with its graph.

    How am I supposed to use this? ``media = MediaDevice("/dev/media0")``, or :func:`zcore.media_device_of` with the
    path of a camera. It reads the graph once, and again with :meth:`refresh`; it keeps no descriptor open, so there is
    nothing to close. Links and formats stay as they were set until somebody sets them anew.

    Parameters
    ----------
    path : str
        Such as ``/dev/media0``.

    Attributes
    ----------
    driver, model, serial, bus : str
        As MEDIA_IOC_DEVICE_INFO tells them.
    entities, pads, links, interfaces : list
        Of the whole graph; ``links`` are those that carry data.
    """

    def __init__(self, path: str):
        self.path = str(path)
        self.entities: list[Entity] = []
        self.interfaces: list[Interface] = []
        self.pads: list[Pad] = []
        self.links: list[Link] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the graph anew."""
        with MediaFile(self.path) as file:
            self.driver, self.model, self.serial, self.bus = file.driver, file.model, file.serial, file.bus
            graph = file.topology()
            tells_index = file.media_version >= INDEX_SINCE
        self.version = graph.version
        entities = {
            id: Entity(id, name, FUNCTIONS.get(function, f"{function:#x}"), flags)
            for id, name, function, flags in graph.entities
        }
        interfaces = {
            id: Interface(id, INTERFACES.get(type, f"{type:#x}"), (major, minor), nodes.path_of(major, minor))
            for id, type, major, minor in graph.interfaces
        }
        pads: dict[int, Pad] = {}
        for id, owner, flags, index in graph.pads:
            if owner in entities:
                pad = Pad(id, entities[owner], index if tells_index else len(entities[owner].pads), flags)
                pads[id] = pad
                pad.entity.pads.append(pad)
        links = []
        for id, source, sink, flags in graph.links:
            if flags & _LINK_TYPE == _INTERFACE_LINK:
                if source in interfaces and sink in entities:
                    entities[sink].interfaces.append(interfaces[source])
            elif not flags & _LINK_TYPE and source in pads and sink in pads:
                link = Link(id, pads[source], pads[sink], flags)
                links.append(link)
                link.source.links.append(link)
                link.sink.links.append(link)
        for entity in entities.values():
            entity.pads.sort(key=lambda pad: pad.index)
        self.entities, self.interfaces = list(entities.values()), list(interfaces.values())
        self.pads, self.links = list(pads.values()), links

    def entity(self, name: str) -> Entity:
        """Find an entity by its name, or by the path of one of its nodes (or of a link to it).

        Raises
        ------
        KeyError
            There is none; names the nearest and all that are there.
        """
        number = nodes.number_of(name) if "/" in name else None
        for entity in self.entities:
            if name == entity.name or any(name == one.path or number == one.number for one in entity.interfaces):
                return entity
        known = [entity.name for entity in self.entities]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise KeyError(f"{self.path} ({self.model}) has no entity {name!r}; {hint}it has {', '.join(map(repr, known))}")

    def by_function(self, function: str) -> list[Entity]:
        """List the entities of a function, such as ``sensor`` or ``scaler``."""
        return [entity for entity in self.entities if entity.function == function]

    def pad(self, entity: str | Entity, index: int) -> Pad:
        """Find a pad by the name of its entity and its index."""
        found = entity if isinstance(entity, Entity) else self.entity(entity)
        for pad in found.pads:
            if pad.index == index:
                return pad
        have = ", ".join(str(pad.index) for pad in found.pads) or "none"
        raise KeyError(f"{self.path}: {found} has no pad {index}; its pads: {have}")

    def link(self, source: Pad, sink: Pad) -> Link:
        """Find the link between two pads."""
        for link in source.links:
            if link.source is source and link.sink is sink:
                return link
        others = ", ".join(map(str, (link for link in source.links if link.source is source))) or "none"
        raise KeyError(f"{self.path}: no link {source}->{sink}; from {source} there are: {others}")

    def set_link(self, link: Link, enabled: bool) -> None:
        """Enable a link, or disable it.

        Raises
        ------
        DeviceError
            EINVAL: the link is immutable, or the driver allows no such combination; EBUSY: one of its ends streams
            and the link is not dynamic. Says which link and which rule.
        """
        if link.enabled == enabled:
            return
        verb = "enabled" if enabled else "disabled"
        if link.immutable:
            raise make_error(
                22, "MEDIA_IOC_SETUP_LINK", self.path,
                f"the link {link} is immutable: it is wired for good and cannot be {verb}", "leave it as it is",
            )  # fmt: skip
        source, sink = ((pad.entity.id, pad.index, pad.flags) for pad in (link.source, link.sink))
        wanted = link.flags & ~ENABLED | (ENABLED if enabled else 0)
        with MediaFile(self.path) as file:
            result = file.setup_link(source, sink, wanted)
        if result < 0:
            raise make_error(-result, "MEDIA_IOC_SETUP_LINK", self.path, *self._why_not(link, verb, -result))
        link.flags = wanted

    def _why_not(self, link: Link, verb: str, code: int) -> tuple[str, str]:
        if code == 16:
            rivals = [
                other for pad in link.sink.entity.sinks for other in pad.links if other.enabled and other is not link
            ]
            also = f"; into {link.sink.entity} leads already {', '.join(map(str, rivals))}" if rivals else ""
            return (
                f"the link {link} cannot be {verb} while one of its ends streams, and the driver may let only one link "
                f"in at a time{also}",
                "stop the stream, or disable the other link first",
            )
        return f"the driver refuses to have the link {link} {verb}", "see 'zcore media' for the links that there are"

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities)

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        from zcore.media.present import to_dict

        return to_dict(self)

    def to_dot(self) -> str:
        """Give the graph in the language of Graphviz: dashed where a link is off, bold where it is wired for good."""
        from zcore.media.present import to_dot

        return to_dot(self)

    def __str__(self) -> str:
        from zcore.media.present import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"<MediaDevice {self.path} {self.driver} {self.model!r}>"
