"""Read the screen back through a writeback connector."""

from __future__ import annotations

import ctypes
import errno
import select
from typing import Any

import numpy as np

from zcore._commit_alone import commit_alone
from zcore._commits import Commits
from zcore._drm import Card
from zcore._fd import Fd
from zcore._gem import add_framebuffer, allocate_dumb
from zcore._pool import Pool
from zcore.errors import DeviceError, make_error
from zcore.formats import find
from zcore.stages.kms_setup import ALLOW_MODESET, CONNECTOR, WRITEBACK, Route

XRGB = find("drm:XR24")


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
    commits = commits if commits is not None else Commits(card)
    connector = _find_connector(card, route)
    properties = card.properties(connector, CONNECTOR)
    width, height = route.mode.width, route.mode.height
    buffer, pitch = allocate_dumb(card, width, height, 32)
    assert XRGB.drm is not None
    framebuffer = add_framebuffer(card, [buffer], [(0, 0, pitch, height)], (width, height), XRGB.drm)
    fence = ctypes.c_int32(-1)  # the kernel writes the fence's number here while it commits
    job = {
        connector: {
            properties["CRTC_ID"].id: route.crtc,
            properties["WRITEBACK_FB_ID"].id: framebuffer.id,
            properties["WRITEBACK_OUT_FENCE_PTR"].id: ctypes.addressof(fence),
        }
    }
    screen = card.properties(route.connector.id, CONNECTOR)["CRTC_ID"].id
    back = {connector: {properties["CRTC_ID"].id: 0}}
    try:
        try:
            commit_alone(commits, route.crtc, job, ALLOW_MODESET)
        except DeviceError as error:
            if error.errno != errno.EINVAL:
                raise
            # Not beside the screen (the encoders are no clones of each other): in its place, for one frame.
            commit_alone(commits, route.crtc, job | {route.connector.id: {screen: 0}}, ALLOW_MODESET)
            back[route.connector.id] = {screen: route.crtc}
        with Fd.adopt(fence.value, "writeback fence") as done:
            if not select.select([done], [], [], timeout)[0]:
                raise make_error(110, "writeback fence", card.path, "the card did not write the picture back")
        pool = Pool("writeback", f"dumb:{card.path}", XRGB)
        pool.add([buffer])
        pool.describe(size=(width, height), arrays=[(0, 0, np.dtype("u1"), (height, width, 4), (pitch, 4, 1))])
        return pool.acquire().array().copy()
    finally:
        commit_alone(commits, route.crtc, back, ALLOW_MODESET)
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
