"""Elements that hand on frames as they are."""

from __future__ import annotations

from zcore.pipeline.common import NO_SIGNALS, NO_TIMING, filter_properties, levels, messages, silent
from zcore.pipeline.factory import Factory, PadTemplate, filters, sinks
from zcore.pipeline.properties import Property
from zcore.pipeline.property_types import (
    BOOL,
    CAPS,
    COUNT,
    INT64,
    INT_MAX,
    STRING,
    STRUCTURE,
    UINT,
    UINT64,
    Double,
    Enum,
    Int,
)

QUEUE = Factory(
    "queue",
    "Queue",
    "Generic",
    "A bounded queue; what follows runs in a thread of its own",
    "zcore.stages.flow:Queue",
    filters(),
    (
        Property("max-size-buffers", UINT, 200, "full with this many frames; 0: no such limit", "frames"),
        Property("max-size-bytes", UINT, 10 * 1024 * 1024, "full with this many bytes; 0: no such limit", "bytes"),
        Property("max-size-time", UINT64, 1_000_000_000, "full when frames span this time; 0: no such limit", "ns"),
        Property("min-threshold-buffers", UINT, 0, "give nothing while there are fewer frames", "frames"),
        Property("min-threshold-bytes", UINT, 0, "give nothing while there are fewer bytes", "bytes"),
        Property("min-threshold-time", UINT64, 0, "give nothing while frames span less time", "ns"),
        Property(
            "leaky",
            Enum.of(
                "no: a frame that finds it full waits",
                "upstream: a frame that finds it full is dropped",
                "downstream: the oldest frame is dropped for it",
            ),
            "no",
            "what happens when it is full",
        ),
        Property("flush-on-eos", BOOL, False, "drop what waits in it when the source ends"),
        Property("notify-levels", BOOL, False, "signal when levels change", without_effect=NO_SIGNALS),
        silent(default=False),
        *levels(),
    ),
)

TEE = Factory(
    "tee",
    "Tee pipe fitting",
    "Generic",
    "Gives each frame to several branches, without a copy",
    "zcore.stages.flow:Tee",
    (*sinks(), PadTemplate("src_%u", "src", on_request=True)),
    (
        Property("num-src-pads", Int(0, INT_MAX), 0, "number of branches", writable=False),
        Property("has-chain", BOOL, True, "take frames that are pushed", only_default="frames are always pushed"),
        Property(
            "pull-mode", Enum.of("never", "single"), "never", "what happens when it is pulled",
            only_default="frames are always pushed",
        ),
        Property(
            "allow-not-linked", BOOL, False, "run without branches",
            without_effect="a tee without a branch is refused before the start",
        ),
        Property("last-message", STRING, None, "what it said last", writable=False),
        silent(),
    ),
)  # fmt: skip

CAPSFILTER = Factory(
    "capsfilter",
    "CapsFilter",
    "Generic",
    "Lets only frames of some caps pass: decides what its neighbours agree on",
    "zcore.stages.flow:CapsFilter",
    filters(),
    (
        Property("caps", CAPS, "ANY", "what may pass"),
        Property(
            "caps-change-mode", Enum.of("immediate", "delayed"), "immediate", "when new caps count",
            only_default="caps are set before the start",
        ),
        *filter_properties(),
    ),
    lambda given: {"caps": "ANY", **given},
)  # fmt: skip

IDENTITY = Factory(
    "identity",
    "Identity",
    "Generic",
    "Hands on frames; can pause, fail, end or drop for tests",
    "zcore.stages.identity:Identity",
    filters(),
    (
        Property("sleep-time", UINT, 0, "time to wait with each frame", "µs"),
        Property("error-after", COUNT, -1, "fail after this many frames; -1: never", "frames"),
        Property("eos-after", COUNT, -1, "end after this many frames; -1: never", "frames"),
        Property("drop-probability", Double(0.0, 1.0, "float"), 0.0, "share of the frames to drop, at random"),
        Property("datarate", Int(0, INT_MAX), 0, "stamp frames as of this rate; 0: keep times", "bytes/s"),
        Property("sync", BOOL, False, "hold frames back until the time of their timestamps"),
        Property("ts-offset", INT64, 0, "move that time", "ns"),
        Property("single-segment", BOOL, False, "stamp frames from 0 on", only_default=NO_TIMING),
        Property("check-imperfect-timestamp", BOOL, False, "count frames that are no later than the one before"),
        Property("check-imperfect-offset", BOOL, False, "count gaps in the numbers of frames"),
        Property("drop-allocation", BOOL, False, "keep buffers of the next element away", only_default="it has none"),
        *messages(handoffs=True),
        Property("stats", STRUCTURE, None, "figures; see the report", writable=False),
        *filter_properties(),
    ),
)  # fmt: skip

FACTORIES = (QUEUE, TEE, CAPSFILTER, IDENTITY)
