"""What goes along with the commits of a display."""

from __future__ import annotations

from zcore._kms_extras import CommitExtras
from zcore.stages.kms_setup import CRTC, Route


def make_extras(route: Route, *, in_fence: bool, out_fence: bool) -> CommitExtras | None:
    """Make what goes along with the commits of a plane; ``None`` with the legacy calls, which carry nothing."""
    if not route.card.atomic:
        return None
    wait = route.plane_properties.get("IN_FENCE_FD") if in_fence else None
    tell = route.card.properties(route.crtc, CRTC).get("OUT_FENCE_PTR") if out_fence else None
    return CommitExtras(wait.id if wait else 0, tell.id if tell else 0)
