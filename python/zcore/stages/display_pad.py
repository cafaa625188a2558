"""A KMS plane as the end of a link."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from zcore._gem import allocate_dumb
from zcore._pool import Pool
from zcore.allocators import name_buffers
from zcore.errors import DeviceError, NegotiationError
from zcore.stages.base import LinkCaps, Pad, make_pool

if TYPE_CHECKING:
    from zcore.stages.display import Display


class DisplayPad(Pad):
    """A KMS plane as the end of a link. It holds two frames: the one on the screen, and the one on its way."""

    holds = 2

    def __init__(self, display: Display):
        self.display = display
        self.name = display.name

    @property
    def takes_fences(self) -> bool:  # type: ignore[override]
        """Whether the kernel waits for the fences of frames: for those that come with them, too."""
        extras = self.display.scanout.extras
        return extras is not None and bool(extras.in_fence_property)

    def roles(self) -> set[str]:
        """Tell that it imports, and allocates dumb buffers."""
        return {"export", "import"}

    def allocate(self, caps: LinkCaps, count: int, *, export: bool) -> Pool:
        """Allocate dumb buffers and attach them."""
        card = self.display.card
        if caps.format.tiled:
            raise NegotiationError(
                f"{self.name} allocates dumb buffers, which are linear and cannot hold {caps.format}"
            )
        fmt, layout = caps.format, caps.format.layout(caps.width, caps.height)
        line = layout.planes[0].width_bytes
        # Bits per pixel and height of a dumb buffer are only a way to ask for bytes in rows that the display likes.
        rows = -(-layout.size // line)
        pool = None
        for _ in range(count):
            buffer, pitch = allocate_dumb(card, -(-line // 4), rows, 32)
            if pool is None:
                stride = pitch if len(fmt.planes) == 1 else line
                if len(fmt.planes) > 1 and pitch != line:
                    stride = pitch
                granted = LinkCaps(fmt, caps.width, caps.height, ((pitch * rows, stride),), caps.fourcc)
                pool = make_pool(self.name, f"dumb:{card.path}", granted)
            pool.add([buffer])
        assert pool is not None
        name_buffers(pool)
        self.use(pool, caps, "dmabuf")
        return pool

    def use(self, pool: Pool, caps: LinkCaps, memory: str) -> None:
        """Import each slot as a framebuffer."""
        try:
            self.display.attach(pool, caps)
        except DeviceError as error:
            if error.errno == errno.EINVAL and error.operation == "DRM_IOCTL_MODE_ADDFB2":
                self._explain_rows(pool, error)
            raise

    def _explain_rows(self, pool: Pool, error: DeviceError) -> None:
        """Say what rows the display likes, where that may be why it refused; no call tells it but an allocation."""
        strides = [stride for _, _, stride, _ in pool.components]
        _, step = allocate_dumb(self.display.card, 1, 1, 32)
        if any(stride % step for stride in strides):
            self.alignment = step * max(1, strides[0] // min(strides))  # so that the shorter rows of chroma fit, too
            raise NegotiationError(
                f"{self.name} ({self.display.device}) refuses rows of {', '.join(map(str, strides))} bytes; those of "
                f"its own buffers are multiples of {step} bytes: {error}"
            ) from error

    def adopt(self, pool: Pool, index: int) -> None:
        """Import one more slot of a pool that is in use already."""
        self.display.scanout.attach_slot(pool, index)

    def reset(self) -> None:
        """Remove the framebuffers."""
        self.display.detach()

    @property
    def allocator(self) -> str:
        """Dumb buffers."""
        return f"dumb:{self.display.device}"
