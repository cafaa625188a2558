"""A card's writeback connector: what it can write, and joining it to what is on the screen."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Any

import numpy as np

from zcore._commit_alone import commit_alone, written_back
from zcore._commits import Commits
from zcore._drm import Card
from zcore._fence import Fence
from zcore._gem import add_framebuffer, allocate_dumb
from zcore._pool import Pool
from zcore.errors import DeviceError, make_error
from zcore.formats import LINEAR, Format, UnknownFormatError, by_drm, find
from zcore.stages.kms_setup import ALLOW_MODESET, CONNECTOR, WRITEBACK, Route

XRGB = find("drm:XR24")
_in_use: set[tuple[Card, int]] = set()  # connectors that are joined to a CRTC


class Writeback:
    """The writeback connector of a card that can write back what a CRTC scans out.

    Parameters
    ----------
    card : Card
        DRM master.
    route : Route
        Whose CRTC is to be read.
    commits : Commits, optional
        Of the card, where displays show something on it: theirs are waited for.

    Raises
    ------
    UnsupportedError
        The card has none.
    """

    def __init__(self, card: Card, route: Route, commits: Commits | None = None):
        self.card, self.route = card, route
        self.commits = commits if commits is not None else Commits(card)
        self.connector = _find_connector(card, route)
        self.properties = card.properties(self.connector, CONNECTOR)
        self._back: dict[int, dict[int, int]] = {}

    @property
    def framebuffer_property(self) -> int:
        """Id of WRITEBACK_FB_ID."""
        return self.properties["WRITEBACK_FB_ID"].id

    @property
    def fence_property(self) -> int:
        """Id of WRITEBACK_OUT_FENCE_PTR."""
        return self.properties["WRITEBACK_OUT_FENCE_PTR"].id

    @property
    def size(self) -> tuple[int, int]:
        """Size of the pictures: that of the mode."""
        return self.route.mode.width, self.route.mode.height

    def formats(self) -> list[Format]:
        """List the formats that it writes (WRITEBACK_PIXEL_FORMATS), those that cannot be named here left out."""
        blob = self.properties.get("WRITEBACK_PIXEL_FORMATS")
        raw = self.card.read_blob(blob.value) if blob is not None and blob.value else b""
        found = []
        for (code,) in struct.iter_unpack("<I", raw[: len(raw) // 4 * 4]):
            try:
                found.append(by_drm(code, LINEAR))
            except UnknownFormatError:
                continue
        return sorted(found, key=lambda fmt: fmt is not XRGB)

    def attach(self) -> None:
        """Join it to the CRTC.

        A card that cannot drive both at once (the encoders are no clones of each other) lets go of the screen
        meanwhile.

        Raises
        ------
        DeviceBusyError
            Somebody else in this process reads the screen.
        """
        if self._back:
            return
        if (self.card, self.connector) in _in_use:
            raise make_error(
                errno.EBUSY, "writeback", self.card.path, "the connector writes pictures for another stage already",
                "close that stage first, or hand its frames on with a Tee",
            )  # fmt: skip
        screen = self.route.connector.id
        theirs = self.card.properties(screen, CONNECTOR)["CRTC_ID"].id
        ours = self.properties["CRTC_ID"].id
        join = {self.connector: {ours: self.route.crtc}}
        back = {self.connector: {ours: 0}}
        try:
            self.commit(join)
        except DeviceError as error:
            if error.errno != errno.EINVAL:
                raise
            self.commit(join | {screen: {theirs: 0}})
            back[screen] = {theirs: self.route.crtc}
        self._back = back
        _in_use.add((self.card, self.connector))

    def commit(self, settings: dict[int, dict[int, int]], *, read: bool = False) -> None:
        """Commit something beside what displays commit, and wait for it; with `read`, the frames shown stay."""
        commit_alone(self.commits, self.route.crtc, settings, ALLOW_MODESET, read=read)

    def detach(self) -> None:
        """Give the CRTC back to the screen; a second call does nothing."""
        back, self._back = self._back, {}
        if back:
            _in_use.discard((self.card, self.connector))
            self.commit(back)

    @property
    def in_place_of_the_screen(self) -> bool:
        """Whether the screen is dark meanwhile."""
        return len(self._back) > 1


def capture_screen(
    card: Card, route: Route, timeout: float = 5.0, *, commits: Commits | None = None
) -> np.ndarray[Any, Any]:
    """Let the card write what it scans out into a buffer, once.

    A card that cannot do both at once leaves the screen dark for that frame.

    Parameters
    ----------
    card : Card
        DRM master.
    route : Route
        Whose CRTC is to be read.
    timeout : float
        Seconds to wait for the card.
    commits : Commits, optional
        Those of the card's displays, whose frames must not come between.

    Returns
    -------
    numpy.ndarray
        ``(height, width, 4)`` uint8, bytes B, G, R, X; a copy of its own.
    """
    writeback = Writeback(card, route, commits)
    width, height = writeback.size
    buffer, pitch = allocate_dumb(card, width, height, 32)
    assert XRGB.drm is not None
    framebuffer = add_framebuffer(card, [buffer], [(0, 0, pitch, height)], (width, height), XRGB.drm)
    written = ctypes.c_int32(-1)  # the kernel writes the fence's number here while it commits
    job = {
        writeback.framebuffer_property: framebuffer.id,
        writeback.fence_property: ctypes.addressof(written),
    }
    try:
        writeback.attach()
        writeback.commit({writeback.connector: job}, read=True)
        with Fence.adopt(written.value) as done:
            if not done.wait(timeout):
                raise make_error(110, "writeback fence", card.path, "the card did not write the picture back")
            if done.status < 0:
                raise make_error(-done.status, "writeback fence", card.path, "the card failed to write the picture")
        pool = Pool("writeback", f"dumb:{card.path}", XRGB)
        pool.add([buffer])
        pool.describe(size=(width, height), arrays=[(0, 0, np.dtype("u1"), (height, width, 4), (pitch, 4, 1))])
        return pool.acquire().array().copy()
    finally:
        written_back(writeback.commits, route.crtc)
        writeback.detach()
        framebuffer.close()


def _find_connector(card: Card, route: Route) -> int:
    _, connectors = card.resources()
    for id in connectors:
        found = card.connector(id)
        if found.type == WRITEBACK and found.possible_crtcs >> route.crtc_index & 1:
            return int(id)
    raise make_error(
        95, "DRM_CLIENT_CAP_WRITEBACK_CONNECTORS", card.path, "the card has no writeback connector for this CRTC"
    )
