"""Properties that many elements share, under GStreamer's names and with its defaults."""

from __future__ import annotations

from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import BOOL, COUNT, INT64, INT_MAX, STRING, STRUCTURE, UINT, UINT64, Enum, Int

IO_MODE = Enum.of(
    "auto: whatever works without a copy",
    "rw: read() and write(), with which the kernel copies each frame",
    "mmap: buffers of the driver, not shared; the other side copies",
    "userptr: the driver works in memory of this process",
    "dmabuf: DMA-BUFs, the driver's own where that works",
    "dmabuf-import: DMA-BUFs of the other side",
)

NO_EVENTS = "no events go upstream; a full link holds its source back"
NO_PREROLL = "a chain has no preroll: it starts when all of its stages are ready"
NO_SIGNALS = "there are no signals"
HANDOFFS = "there are no signals; a program gives the stage a function, on_frame"
NOT_LATE = "frames are not dropped for being late; put 'queue leaky=downstream' before a slow sink"
NO_TIMING = "frames are not held back or moved in time"


def num_buffers(meaning: str = "end after this many frames; -1: never") -> Property:
    """Declare ``num-buffers``."""
    return Property("num-buffers", COUNT, -1, meaning, "frames")


def do_timestamp() -> Property:
    """Declare ``do-timestamp``."""
    return Property("do-timestamp", BOOL, False, "stamp each frame with the time at which it comes")


def source_properties(*passed: str) -> tuple[Property, ...]:
    """Declare what every source of GStreamer has; the names in `passed` reach the stage."""
    declared = (
        Property(
            "blocksize", UINT, 4096, "bytes of a buffer", "bytes",
            without_effect="frames have the size that their format gives them",
        ),
        Property("typefind", BOOL, False, "find out what comes", only_default="caps say what comes"),
        Property("automatic-eos", BOOL, True, "end when there is no more", only_default="a source always does"),
    )  # fmt: skip
    return tuple(one for one in declared if one.name not in passed)


def sink_properties(*, sync: bool, paced: bool = True, video: bool = False) -> tuple[Property, ...]:
    """Declare what every sink of GStreamer has.

    Parameters
    ----------
    sync : bool
        Default of the property of this name.
    paced : bool
        Whether the stage can wait for the time of a frame.
    video : bool
        Whether GStreamer's defaults for displays hold.
    """
    declared = [
        Property(
            "sync", BOOL, sync,
            "take frames at the time of their timestamps; those of a camera, which have happened, at once",
            without_effect="" if paced else "frames are given to the device as they come",
        ),
        Property(
            "ts-offset", INT64, 0, "with sync: take frames later by this time", "ns",
            only_default="" if paced and not video else NO_TIMING,
        ),
        Property("async", BOOL, True, "wait for the first frame before starting", without_effect=NO_PREROLL),
        Property("qos", BOOL, video, "tell upstream when frames come late", without_effect=NO_EVENTS),
        Property(
            "max-lateness", Int(-1, 2**63 - 1, "int64"), 5_000_000 if video else -1,
            "drop frames that are later than this; -1: never", "ns", without_effect=NOT_LATE,
        ),
        Property(
            "processing-deadline", UINT64, 15_000_000 if video else 20_000_000, "time that a frame may take", "ns",
            without_effect=NO_TIMING,
        ),
        Property("render-delay", UINT64, 0, "time that the device takes", "ns", only_default=NO_TIMING),
        Property("throttle-time", UINT64, 0, "least time between two frames", "ns", only_default=NO_TIMING),
        Property("max-bitrate", UINT64, 0, "most bits per second; 0: any", "bit/s", only_default=NO_TIMING),
        Property(
            "blocksize", UINT, 4096, "bytes of a buffer", "bytes",
            without_effect="frames have the size that their format gives them",
        ),
        Property(
            "enable-last-sample", BOOL, True, "keep the last frame", without_effect="no frame is kept back",
        ),
        Property("stats", STRUCTURE, None, "figures; see the report", writable=False),
    ]  # fmt: skip
    if video:
        declared.append(
            Property("show-preroll-frame", BOOL, True, "show the frame of the preroll", without_effect=NO_PREROLL)
        )
    return tuple(declared)


def silent(default: bool = True) -> Property:
    """Declare ``silent`` for elements that have nothing to say."""
    return Property("silent", BOOL, default, "emit no signals and messages", without_effect=NO_SIGNALS)


def messages(*, handoffs: bool = False) -> tuple[Property, ...]:
    """Declare what elements for tests say."""
    return (
        Property("silent", BOOL, True, "leave last-message empty"),
        Property("last-message", STRING, None, "what it said last", writable=False),
        Property("dump", BOOL, False, "print the bytes of each frame"),
        Property("signal-handoffs", BOOL, handoffs, "signal with each frame", without_effect=HANDOFFS),
    )


def filter_properties(qos: bool = False) -> tuple[Property, ...]:
    """Declare what every filter of GStreamer has."""
    return (Property("qos", BOOL, qos, "handle messages about late frames", without_effect=NO_EVENTS),)


def levels(size: Int = UINT) -> tuple[Property, ...]:
    """Declare the levels of a queue; `size` is the type of numbers of frames and bytes."""
    return (
        Property("current-level-buffers", size, 0, "frames that wait in it now", "frames", writable=False),
        Property("current-level-bytes", size, 0, "bytes that wait in it now", "bytes", writable=False),
        Property("current-level-time", UINT64, 0, "time that the frames in it span now", "ns", writable=False),
    )


def traffic() -> tuple[Property, ...]:
    """Declare what the elements for programs count."""
    return (
        Property("in", UINT64, 0, "frames that came", "frames", writable=False),
        Property("out", UINT64, 0, "frames that went", "frames", writable=False),
        Property("dropped", UINT64, 0, "frames that were dropped", "frames", writable=False),
        *levels(UINT64),
    )


def device_facts() -> tuple[Property, ...]:
    """Declare what can be read from a V4L2 element."""
    return (
        Property("device-name", STRING, None, "name of the device", writable=False),
        Property("device-fd", Int(-1, INT_MAX, "fd"), -1, "its descriptor while it is open", writable=False),
    )
