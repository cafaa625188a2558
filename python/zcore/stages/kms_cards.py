"""Open cards, shared by all displays of this process: one open file, one reader of events, one owner of each CRTC."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zcore._commits import Commits
from zcore._drm import Card, Mode
from zcore._fd import Fd
from zcore.errors import ChainError, DeviceError, make_error
from zcore.stages.kms_snapshot import Snapshot

if TYPE_CHECKING:
    from zcore.stages.display import Display


@dataclass
class CrtcState:
    """What the displays of one CRTC have in common.

    Attributes
    ----------
    planes : dict
        Plane id -> the display that has chosen it.
    active : list of Display
        Those that have set it up, in that order, until they close.
    mode : Mode, optional
        The mode that it was given.
    before : Snapshot, optional
        What was there before the first of them.
    """

    planes: dict[int, Display] = field(default_factory=dict)
    active: list[Display] = field(default_factory=list)
    mode: Mode | None = None
    before: Snapshot | None = None


class SharedCard:
    """A card that one or more displays have open."""

    def __init__(self, key: tuple[str, str | int], card: Card):
        self.key = key
        self.card = card
        self.commits = Commits(card, legacy=not card.atomic)
        self.displays: list[Display] = []
        self.crtcs: dict[int, CrtcState] = {}
        self.lock = threading.RLock()  # held while a display sets itself up, or goes: two threads may do so at once

    def crtc(self, id: int) -> CrtcState:
        """Give what is known of a CRTC."""
        return self.crtcs.setdefault(id, CrtcState())

    def taken(self, crtc: int, display: Display) -> set[int]:
        """List the planes that other displays have chosen."""
        return {plane for plane, owner in self.crtc(crtc).planes.items() if owner is not display}

    def reserve(self, crtc: int, plane: int, display: Display) -> None:
        """Note which plane a display has chosen; the one that it chose before is free again."""
        self.free(display)
        self.crtc(crtc).planes[plane] = display

    def free(self, display: Display) -> None:
        """Free the plane of a display."""
        for state in self.crtcs.values():
            state.planes = {plane: owner for plane, owner in state.planes.items() if owner is not display}

    def neighbours(self, crtc: int, display: Display) -> list[Display]:
        """List the other displays that show something on a CRTC now."""
        return [other for other in self.crtc(crtc).active if other is not display]

    def leave(self, display: Display) -> None:
        """Let a display go; the last one closes the card."""
        with _lock:
            self.free(display)
            self.displays = [other for other in self.displays if other is not display]
            if self.displays:
                return
            if _open.get(self.key) is self:
                del _open[self.key]
        self.card.close()


_lock = threading.Lock()
_open: dict[tuple[str, str | int], SharedCard] = {}


def open_card(display: Display, fd: int | None, *, atomic: bool) -> SharedCard:
    """Open a display's card as its DRM master, or share it with the display of this process that has it open already.

    Parameters
    ----------
    display : Display
        Its ``device`` is a path, or only a name where `fd` is given.
    fd : int, optional
        Open descriptor to use instead, such as a lease; it is duplicated.
    atomic : bool
        False: legacy calls.
    """
    key: tuple[str, str | int] = ("fd", fd) if fd is not None else ("path", os.path.realpath(display.device))
    with _lock:
        shared = _open.get(key)
        if shared is not None and (shared.card.fd.closed or not shared.card.fd.owned_here):
            shared = None  # left over, or the parent's before a fork
        if shared is not None and fd is not None and not _same_file(fd, shared.card.fd.fileno()):
            shared = None  # the number was closed and is somebody else's now
        if shared is not None:
            if not atomic and shared.card.atomic:
                raise ChainError(f"{display.device} is open with atomic commits; its other displays cannot be legacy")
            if not shared.card.is_master:
                shared = None
        if shared is None:
            source: Any = Fd.dup(fd, display.device) if fd is not None else display.device
            shared = SharedCard(key, _become_master(Card(source, atomic=atomic), display))
            _open[key] = shared
        shared.displays.append(display)
        return shared


def _same_file(one: int, other: int) -> bool:
    """Tell whether two descriptors are of one open file; where the kernel cannot tell, the same device must do."""
    number = {"x86_64": 312, "aarch64": 272, "riscv64": 272}.get(platform.machine())
    if number is not None:
        order = ctypes.CDLL(None, use_errno=True).syscall(number, os.getpid(), os.getpid(), 0, one, other)
        if order >= 0:
            return bool(order == 0)
    return os.fstat(one).st_rdev == os.fstat(other).st_rdev


def _become_master(card: Card, display: Display) -> Card:
    if display.driver_name not in (None, card.driver):
        card.close()
        raise ChainError(f"{display.device} is driven by {card.driver}, not by {display.driver_name}")
    if not card.is_master:
        try:
            card.set_master()
        except DeviceError:
            card.close()
            raise make_error(
                errno.EACCES,
                "DRM_IOCTL_SET_MASTER",
                display.device,
                "this process is not the DRM master: a compositor or another program owns the display",
                "stop the display server, switch to a free console, or pass fd= of a lease",
            ) from None
    return card
