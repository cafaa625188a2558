"""Load the guest's video drivers and find their nodes. For code that runs inside the testbed.

How am I supposed to use this? ``with vivid(multiplanar=2) as nodes: path = nodes.one("capture").path``. A driver that
is loaded already with the same parameters is used as it is; otherwise it is unloaded first. It stays loaded
afterwards: the next test most likely wants it again. Everything here goes through sysfs, ``/proc`` and plain
``fcntl``, because what zcore does to devices is checked with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Value = int | str | bool | tuple[int, ...]

DEADLINE = 15.0  # seconds; a driver's node takes milliseconds, under a loaded emulator now and then a second

_VIDIOC_QUERYCAP = 0x80685600
_QUERYCAP = struct.Struct("<16s32s32sIII12x")
# The first match counts: a touch panel is a capture device too, and so is a memory-to-memory device of old.
_KINDS = (
    (0x0000C000, "m2m"),
    (0x10000000, "touch"),
    (0x08800000, "meta"),
    (0x00500000, "sdr"),
    (0x000000F0, "vbi"),
    (0x00001001, "capture"),
    (0x00002002, "output"),
    (0x000D0000, "radio"),
)
_MULTIPLANAR = 0x00007000

#: What this process asked of each driver that it loaded; sysfs cannot tell a default from a wish.
_asked: dict[str, dict[str, str]] = {}


class DriverError(RuntimeError):
    """A driver could not be loaded or unloaded, or has not the node that was asked for."""


@dataclass(frozen=True)
class Node:
    """One device node. ``kind`` is capture, output, m2m, vbi, meta, sdr, touch, radio, or display for a DRM card."""

    path: str
    name: str
    driver: str
    kind: str
    caps: int = 0

    @property
    def multiplanar(self) -> bool:
        """Whether the node speaks the multi-planar half of V4L2."""
        return bool(self.caps & _MULTIPLANAR)


class Nodes(tuple[Node, ...]):
    """The nodes of one driver, in the order of their numbers."""

    def all(self, kind: str = "", name: str = "") -> list[Node]:
        """Nodes of a kind and with a part of a name."""
        return [node for node in self if kind in ("", node.kind) and name in node.name]

    def one(self, kind: str = "", name: str = "") -> Node:
        """First node of a kind and with a part of a name; `DriverError` tells what there is instead."""
        found = self.all(kind, name)
        if not found:
            there = ", ".join(f"{node.path} ({node.kind}, {node.name!r})" for node in self) or "none"
            raise DriverError(f"no node of kind {kind or 'any'!r} named like {name!r}; there are: {there}")
        return found[0]


def why_not() -> str:
    """Why drivers cannot be loaded here; empty inside the testbed. Good as the reason of a skip."""
    if os.environ.get("ZCORE_TESTBED") != "1":
        # A developer's own machine may have vivid too. Reloading its drivers is not a test's business.
        return "not inside the testbed (python -m testbed run -- pytest tests/device)"
    if os.geteuid() != 0:
        return "loading drivers needs root (EPERM)"
    probe = subprocess.run(["modprobe", "--dry-run", "vivid"], capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"no driver vivid: {probe.stderr.strip()}"


def available() -> bool:
    """Whether we are inside the testbed and may load drivers."""
    return not why_not()


@contextmanager
def loaded(name: str, **params: Value) -> Iterator[Nodes]:
    """Have driver ``name`` loaded with these parameters and no others; give its nodes."""
    yield load(name, **params)


@contextmanager
def vivid(
    n_devs: int = 1, node_types: int = 0x1, multiplanar: int = 1, allocators: int = 0, **params: Value
) -> Iterator[Nodes]:
    """Test-pattern capture (``node_types`` bit 0) and output (bit 8).

    ``multiplanar`` is 1 for single-planar and 2 for multi-planar, ``allocators`` 0 for vmalloc and 1 for contiguous
    memory; both go to all ``n_devs`` devices, as do ``node_types``.
    """
    per_device = {"node_types": node_types, "multiplanar": multiplanar, "allocators": allocators}
    spread: dict[str, Value] = {key: (value,) * n_devs for key, value in per_device.items()}
    yield load("vivid", **{"n_devs": n_devs, **spread, **params})


@contextmanager
def vim2m(**params: Value) -> Iterator[Nodes]:
    """Memory-to-memory converter; one single-planar node."""
    yield load("vim2m", **params)


@contextmanager
def vicodec(multiplanar: int = 0, **params: Value) -> Iterator[Nodes]:
    """FWHT codec; ``multiplanar`` is 0 or 1. Nodes by name: stateful-encoder, stateful-decoder, stateless-decoder."""
    yield load("vicodec", **{"multiplanar": multiplanar, **params})


@contextmanager
def vkms(
    enable_writeback: bool = True, enable_overlay: bool = True, enable_cursor: bool = True, **params: Value
) -> Iterator[Nodes]:
    """Virtual display; one node of kind display."""
    wanted: dict[str, Value] = {
        "enable_writeback": enable_writeback,
        "enable_overlay": enable_overlay,
        "enable_cursor": enable_cursor,
    }
    yield load("vkms", **{**wanted, **params})


@contextmanager
def virtio_gpu() -> Iterator[Nodes]:
    """Card of the virtual machine, with two screens; the second is there once its connector is forced on.

    Unlike the others it is unloaded in the end: a card in vain would be the first one for tests that want any.
    """
    try:
        if not Path("/sys/module/virtio_gpu").exists():
            _run(["modprobe", "virtio_gpu"])
        # Its cards hang on the PCI device, which has the driver of all virtual devices.
        yield _until(lambda: nodes("virtio-pci"), "the virtual machine has no card of virtio_gpu")
    finally:
        unload("virtio_gpu")


def force_connector(card: str, connector: str, status: str) -> None:
    """Pull a monitor out of a card (``off``), plug one in (``on``), or leave that to the driver (``detect``).

    The kernel tells nobody when it is done by hand; so that is done, too, as ``udevadm trigger`` would.

    Parameters
    ----------
    card, connector : str
        ``/dev/dri/card0`` and its connector as the kernel names it, such as ``Virtual-1``.
    """
    name = os.path.basename(card)
    Path(f"/sys/class/drm/{name}-{connector}/status").write_text(status)
    Path(f"/sys/class/drm/{name}/uevent").write_text("change")


def load(name: str, **params: Value) -> Nodes:
    """Load a driver, after unloading it when it is there with other parameters; return its nodes."""
    wanted = {key: _text(value) for key, value in params.items()}
    if not _is_as_asked(name, wanted):
        unload(name)
        _run(["modprobe", name, *(f"{key}={value}" for key, value in wanted.items())])
        _check_parameters(name, wanted)
        _asked[name] = wanted
    return _until(lambda: nodes(name), f"driver {name} is loaded but has no usable node")


def unload(name: str) -> None:
    """Unload a driver if it is loaded. When it is still in use, say by which processes."""
    _asked.pop(name, None)
    if not Path("/sys/module", name).exists():
        return
    # udev opens every new node for a moment, so "in use" is only believed when it lasts.
    deadline = time.monotonic() + DEADLINE
    while True:
        done = subprocess.run(["modprobe", "-r", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if "in use" not in done.stderr or time.monotonic() > deadline:
            users = [f"{node.path} by {holder}" for node in nodes(name) for holder in holders(node.path)]
            raise DriverError(f"cannot unload {name}: {done.stderr.strip()}; open: {', '.join(users) or 'nothing'}")
        time.sleep(0.05)


def nodes(name: str) -> Nodes:
    """Nodes that driver ``name`` has now; empty while one of them is not usable yet."""
    found = []
    for entry in sorted(Path("/sys/class/video4linux").glob("*"), key=_number):
        if not entry.name.startswith("v4l-subdev") and driver_of(entry) == name:
            found.append(_video_node(entry, name))
    for entry in sorted(Path("/sys/class/drm").glob("card*"), key=_number):
        if "-" not in entry.name and driver_of(entry) == name:  # card0-Virtual-1 is a connector
            path = f"/dev/dri/{entry.name}"
            found.append(Node(path, entry.name, name, "display") if os.path.exists(path) else None)
    ready = [node for node in found if node is not None]
    return Nodes(ready if len(ready) == len(found) else ())


def kind_of(caps: int) -> str:
    """Name what a node is by its ``device_caps``."""
    return next((kind for mask, kind in _KINDS if caps & mask), "other")


def holders(path: str) -> list[str]:
    """Processes that have ``path`` open, as ``pid name``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(entry) == path:
                process = entry.parent.parent
                found.append(f"{process.name} {(process / 'comm').read_text().strip()}")
        except OSError:
            continue  # it ended while we looked
    return sorted(set(found))


def _video_node(entry: Path, driver: str) -> Node | None:
    path = f"/dev/{entry.name}"
    try:
        name = (entry / "name").read_text().strip()
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.EPERM):
            return None  # udev is not done with it
        raise
    try:
        answer = fcntl.ioctl(fd, _VIDIOC_QUERYCAP, bytes(_QUERYCAP.size))
    finally:
        os.close(fd)
    caps = _QUERYCAP.unpack(answer)[5]
    return Node(path, name, driver, kind_of(caps), caps)


def driver_of(entry: Path) -> str:
    """Name of the driver behind a class device; some virtual devices have none of their own, but their parent has."""
    for link in ("device/driver", "device/device/driver"):
        if (entry / link).exists():
            return (entry / link).resolve().name
    device = (entry / "device").resolve().name
    return device.split(".")[0]


def _number(entry: Path) -> int:
    digits = "".join(filter(str.isdigit, entry.name))
    return int(digits or 0)


def _is_as_asked(name: str, wanted: dict[str, str]) -> bool:
    """Whether the driver is there and is what we loaded; a later modprobe by somebody else shows in sysfs."""
    if _asked.get(name) != wanted or not Path("/sys/module", name).exists():
        return False
    return all(_agrees(value, _granted(name, key)) for key, value in wanted.items())


def _check_parameters(name: str, wanted: dict[str, str]) -> None:
    """Refuse what the driver did not take: the kernel loads it all the same and only logs a parameter it ignored."""
    for key, value in wanted.items():
        granted = _granted(name, key)
        if not granted and key not in _parameters(name):
            raise DriverError(f"driver {name} has no parameter {key!r}; it has: {', '.join(_parameters(name))}")
        if not _agrees(value, granted):
            raise DriverError(f"driver {name} made {granted} of {key}={value}")


def _parameters(name: str) -> list[str]:
    done = subprocess.run(["modinfo", "-F", "parm", name], capture_output=True, text=True, check=False)
    return [line.split(":")[0] for line in done.stdout.splitlines() if not line[:1].isspace()]  # the rest is prose


def _granted(name: str, key: str) -> str:
    try:
        return Path("/sys/module", name, "parameters", key).read_text().strip()
    except OSError:
        return ""  # not readable: then our own record has to do


def _agrees(wanted: str, granted: str) -> bool:
    """Compare a parameter with sysfs, which writes numbers in another base, booleans as Y, arrays at full length."""
    if not granted:
        return True
    ours, theirs = (tuple(map(_canonical, text.split(","))) for text in (wanted, granted))
    return theirs[: len(ours)] == ours


def _canonical(text: str) -> int | str:
    if text in ("Y", "N"):
        return int(text == "Y")
    try:
        return int(text, 0)
    except ValueError:
        return text


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DriverError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")


def _until(look: Callable[[], Nodes], complaint: str) -> Nodes:
    deadline = time.monotonic() + DEADLINE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise DriverError(f"{complaint} after {DEADLINE:g} s")
        time.sleep(0.01)
    return found
