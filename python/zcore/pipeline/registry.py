"""Which elements there are: those of zcore, and those that the devices of this machine give."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from zcore.pipeline import (
    codec_elements,
    codecs,
    device_elements,
    flow_elements,
    mux_elements,
    software_elements,
)
from zcore.pipeline.errors import listing, nearest
from zcore.pipeline.factory import Factory
from zcore.pipeline.properties import Property

log = logging.getLogger("zcore.pipeline")

ELSEWHERE = {
    "kmssink": ("autovideosink", "glimagesink", "waylandsink", "ximagesink", "xvimagesink", "fbdevsink", "gtksink"),
    "v4l2src": ("libcamerasrc", "autovideosrc", "uvch264src", "ximagesrc"),
    "v4l2convert or videoconvert": ("videoconvertscale", "autovideoconvert", "glcolorconvert", "v4l2video0convert"),
    "queue": ("queue2", "multiqueue"),
    "filesink": ("multifilesink", "splitmuxsink"),
    "filesrc": ("multifilesrc",),
    "v4l2h264enc, or x264enc on the CPU,": ("openh264enc", "avenc_h264", "nvh264enc", "vah264enc", "vaapih264enc"),
    "svtav1enc": ("av1enc", "rav1enc"),
    "a demuxer and a decoder, such as 'qtdemux ! avdec_h264',": ("decodebin", "decodebin3", "uridecodebin"),
    "avdec_h264": ("openh264dec", "vah264dec", "nvh264dec", "vaapih264dec"),
    "dav1ddec": ("av1dec",),
}
"""What zcore has in the place of elements that it has not."""


class UnknownElementError(LookupError):
    """No element has this name."""


class Registry:
    """Finds elements by name; devices are looked at once, when the first name asks for it."""

    def __init__(self) -> None:
        self._own = {
            one.name: one
            for one in (
                *device_elements.FACTORIES,
                *flow_elements.FACTORIES,
                *software_elements.FACTORIES,
                *codec_elements.FACTORIES,
                *mux_elements.FACTORIES,
            )
        }
        self._machine: dict[str, Factory] | None = None

    @property
    def machine(self) -> dict[str, Factory]:
        """The elements of this machine's devices."""
        if self._machine is None:
            self._machine = {one.name: one for one in codecs.factories()}
        return self._machine

    def all(self) -> list[Factory]:
        """List all elements by name."""
        return [one for _, one in sorted({**self.machine, **self._own}.items())]

    def is_own(self, name: str) -> bool:
        """Tell whether zcore has an element of this name, whatever this machine's devices are."""
        return name in self._own

    def find(self, name: str, written: Iterable[str] = ()) -> Factory:
        """Find an element.

        Parameters
        ----------
        name : str
        written : iterable of str
            Names of the properties that are set: a codec with ``device=`` needs none of this machine's.

        Raises
        ------
        UnknownElementError
            With what may have been meant.
        """
        if name in self._own:
            return self._own[name]
        if codecs.is_codec(name):
            if name in self.machine:
                return self.machine[name]
            if "device" in written and (factory := codecs.on_any_device(name)):
                return factory
            raise UnknownElementError(codecs.missing(name, list(self.machine)))
        raise UnknownElementError(f"no element {name!r}{self._hint(name)}")

    def _hint(self, name: str) -> str:
        if name in ("ANY", "EMPTY"):
            return f"; for these caps write 'capsfilter caps={name}'"
        for ours, theirs in ELSEWHERE.items():
            if name in theirs:
                return f"; zcore has {ours} in its place"
        return nearest(name, self._own) or f"; there are {listing(sorted(self._own))}"

    def note(self, factory: Factory, declared: Property, value: Any) -> None:
        """Log a property that is set without an effect."""
        if declared.without_effect and value != declared.default:
            log.info("%s %s=%s has no effect: %s", factory.name, declared.name, declared.type.show(value),
                     declared.without_effect)  # fmt: skip
