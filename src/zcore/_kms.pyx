"""Frames on a KMS plane: nonblocking commits, flip events, and a frame held until the flip that replaces it."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, EINVAL, ENODEV, ENOENT, ETIMEDOUT
from libc.string cimport memset

from zcore._drm cimport Card
from zcore._errors cimport device_error
from zcore._frame cimport Frame, frame_from_slot
from zcore._gem cimport Framebuffer, import_framebuffer
from zcore._holders cimport holder_id
from zcore._pool cimport Pool, slot_drop, slot_hold
from zcore._sys cimport atomic_add, sys_ioctl_restart, sys_read, sys_wait
from zcore.uapi.drm cimport (
    ZC_DRM_EVENT_FLIP_COMPLETE,
    ZC_DRM_IOCTL_MODE_ATOMIC,
    ZC_DRM_IOCTL_MODE_PAGE_FLIP,
    ZC_DRM_MODE_ATOMIC_NONBLOCK,
    ZC_DRM_MODE_PAGE_FLIP_EVENT,
    zc_drm_event,
    zc_drm_event_vblank,
    zc_drm_mode_atomic,
    zc_drm_mode_crtc_page_flip,
)

from zcore._errors import make_error


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN


cdef int commit_numbers = 0  # of all scanouts: a stale event, of whomever, is never taken for the one that is awaited


@cython.final
@cython.no_gc_clear  # __dealloc__ drops slots that live in `pools`
cdef class Scanout:
    """One plane of one CRTC that shows frames.

    The mode is set and the first frame is on the screen before this is used; each :meth:`show` replaces it. A frame is
    given back when the flip event of the commit that *replaced* it has come, never earlier.

    Parameters
    ----------
    card : Card
        Open device, DRM master.
    crtc, plane : int
        Object ids.
    fb_property : int
        Id of the plane's FB_ID property; unused with ``legacy``.
    legacy : bool
        Flip with DRM_IOCTL_MODE_PAGE_FLIP, for drivers without atomic commits.
    """

    def __cinit__(self):
        memset(self.attached, 0, sizeof(self.attached))

    def __init__(self, Card card not None, str name, uint32_t crtc, uint32_t plane, uint32_t fb_property, *,
                 bint legacy=False):
        self.card = card
        self.name = name
        self.crtc = crtc
        self.plane = plane
        self.fb_property = fb_property
        self.legacy = legacy
        self.holder = holder_id(name)
        self.framebuffers = {}
        self.pools = ()

    def attach(self, Pool pool not None, modifier=None):
        """Import every slot of a pool once, so that showing one costs a commit and nothing else.

        Parameters
        ----------
        pool : Pool
            Whose frames will be shown.
        modifier : int, optional
            ``None``: the pool's frames are imported without one (the driver decides the layout).
        """
        for index in range(pool.core.count):
            self.attach_slot(pool, index, modifier)

    def attach_slot(self, Pool pool not None, int index, modifier=None):
        """Import one slot of a pool; gives its framebuffer."""
        key = (pool.core.id, index)
        entry = self.framebuffers.get(key)
        if entry is None:
            if not 0 <= index < pool.core.count:
                raise IndexError(f"{self.name}: pool {pool.name} has {pool.core.count} slots, not {index}")
            self.keep(pool)
            framebuffer = import_framebuffer(
                self.card, pool.buffers[index],
                [(plane, offset + pool.core.slots[index].planes[plane].offset, stride, rows)
                 for plane, offset, stride, rows in pool.components],
                pool.core.width, pool.core.height, pool.core.drm_fourcc, modifier,
            )
            self.framebuffers[key] = entry = (framebuffer, pool)
            self.attaches += 1
        self.attached[index].pool = pool.core.id
        self.attached[index].framebuffer = (<Framebuffer>entry[0]).id
        return entry[0]

    cdef int keep(self, Pool pool) except -1:
        if pool not in self.pools:
            self.pools += (pool,)
        return 0

    def hold_first(self, Frame frame not None):
        """Say which frame the mode was set with: it is on the screen."""
        if self.current != NULL:
            raise ValueError(f"{self.name}: shows a frame already")
        frame._slot()
        self.keep(frame.pool)
        slot_hold(frame.slot)
        self.current = frame.slot

    def show(self, Frame frame not None, double timeout=1.0):
        """Show a frame; waits for the flip before, not for its own.

        Raises
        ------
        DeviceTimeoutError
            The flip before did not come: display off, or its events were read by somebody else.
        """
        cdef int result
        cdef Slot *slot = frame._slot()
        for plane in range(slot.plane_count):
            if slot.planes[plane].data_offset:
                raise offset_error(self.name, plane, slot.planes[plane].data_offset)
        self.wait(timeout)
        if self.framebuffer_of(slot) == 0:
            self.attach_slot(frame.pool, slot.index)
        if slot.fence >= 0 and (self.extras is None or not self.extras.in_fence_property):
            if not frame.fence.wait(timeout):
                raise device_error(ETIMEDOUT, "poll (fence)", self.name, f"{frame.fence!r} of {frame!r}")
        slot_hold(slot)
        result = self.submit(slot)  # a nonblocking commit keeps the GIL, too
        if result < 0:
            slot_drop(slot)
            raise device_error(-result, "DRM_IOCTL_MODE_ATOMIC", self.name)

    def wait(self, double timeout=1.0):
        """Wait until no flip is on its way."""
        cdef int result
        cdef int timeout_ms = <int>(timeout * 1000)
        cdef int fd = self.card.fd.number
        while self.pending != NULL:
            result = self.collect()  # never blocks: giving the GIL away would cost frames beside a busy thread
            if result == -EAGAIN:
                with nogil:
                    result = sys_wait(fd, POLLIN, timeout_ms)
                if result == -EINTR:
                    PyErr_CheckSignals()
                    continue
                if result == 0:
                    result = -ETIMEDOUT
                elif result > 0 and not result & POLLIN:  # a hang-up would be told for ever
                    result = -ENODEV
            if result < 0:
                raise device_error(-result, "flip event", self.name)

    @property
    def holds(self):
        """How many frames are on the screen or on their way."""
        return (self.current != NULL) + (self.pending != NULL)

    def frame_on_screen(self):
        """Give the frame that is on the screen, or ``None``; holding it keeps it there unchanged."""
        if self.current == NULL:
            return None
        for (pool_id, index), (_, pool) in self.framebuffers.items():
            if pool_id == self.current.core.id and index == <int>self.current.index:
                slot_hold(self.current)
                return frame_from_slot(pool, self.current)
        return None

    def release(self):
        """Give up the frames and remove the framebuffers; the plane must show something else, or nothing, by now."""
        if self.pending != NULL:
            slot_drop(self.pending)
            self.pending = NULL
        if self.current != NULL:
            slot_drop(self.current)
            self.current = NULL
        memset(self.attached, 0, sizeof(self.attached))
        entries, self.framebuffers = self.framebuffers, {}
        for framebuffer, _ in entries.values():
            framebuffer.close()
        self.pools = ()

    def __dealloc__(self):
        if self.pending != NULL:
            slot_drop(self.pending)
        if self.current != NULL:
            slot_drop(self.current)

    # The frame path

    cdef uint32_t framebuffer_of(self, Slot *slot) noexcept nogil:
        if self.attached[slot.index].pool == slot.core.id:
            return self.attached[slot.index].framebuffer
        return 0

    cdef int submit(self, Slot *slot) noexcept nogil:
        cdef zc_drm_mode_atomic atomic
        cdef zc_drm_mode_crtc_page_flip flip
        cdef uint32_t count = 1
        cdef uint32_t property = self.fb_property
        cdef uint32_t plane = self.plane
        cdef uint64_t value = self.framebuffer_of(slot)
        cdef uint64_t number
        cdef int result
        if value == 0:
            return -ENOENT
        if self.pending != NULL:
            return -EBUSY
        number = <uint32_t>atomic_add(&commit_numbers, 1)
        if self.legacy:
            memset(&flip, 0, sizeof(flip))
            flip.crtc_id = self.crtc
            flip.fb_id = <uint32_t>value
            flip.flags = ZC_DRM_MODE_PAGE_FLIP_EVENT
            flip.user_data = number
            result = sys_ioctl_restart(self.card.fd.number, ZC_DRM_IOCTL_MODE_PAGE_FLIP, &flip)
        elif self.extras is not None:
            result = self.extras.commit(self.card.fd.number, self.plane, property, <uint32_t>value, self.crtc,
                                        slot.fence, number)
        else:
            memset(&atomic, 0, sizeof(atomic))
            atomic.flags = ZC_DRM_MODE_ATOMIC_NONBLOCK | ZC_DRM_MODE_PAGE_FLIP_EVENT
            atomic.count_objs = 1
            atomic.objs_ptr = <uint64_t>&plane
            atomic.count_props_ptr = <uint64_t>&count
            atomic.props_ptr = <uint64_t>&property
            atomic.prop_values_ptr = <uint64_t>&value
            atomic.user_data = number
            result = sys_ioctl_restart(self.card.fd.number, ZC_DRM_IOCTL_MODE_ATOMIC, &atomic)
        if result < 0:
            return result
        self.pending = slot
        self.awaited = number
        self.commits += 1
        slot.holder = self.holder
        return 0

    cdef int collect(self) noexcept nogil:
        """Read what events there are; unknown ones are skipped by their length."""
        cdef int count = sys_read(self.card.fd.number, self.events, sizeof(self.events))
        cdef int offset = 0, seen = 0
        cdef zc_drm_event *event
        cdef zc_drm_event_vblank *vblank
        if count <= 0:  # nothing at all is what a descriptor says that nobody will write to any more
            return count or -ENODEV
        while offset + <int>sizeof(zc_drm_event) <= count:
            event = <zc_drm_event *>(self.events + offset)
            if event.length < sizeof(zc_drm_event) or event.length > <uint32_t>(count - offset):
                return -EINVAL
            if event.type == ZC_DRM_EVENT_FLIP_COMPLETE and event.length >= sizeof(zc_drm_event_vblank):
                vblank = <zc_drm_event_vblank *>event
                # 0: kernels before DRM_CAP_CRTC_IN_VBLANK_EVENT do not say which CRTC it was
                if (vblank.crtc_id == self.crtc or vblank.crtc_id == 0) and vblank.user_data == self.awaited:
                    self.flipped(<int64_t>vblank.tv_sec * 1000000000 + <int64_t>vblank.tv_usec * 1000)
                    seen += 1
            offset += event.length
        return seen

    cdef void flipped(self, int64_t when) noexcept nogil:
        cdef Slot *old = self.current
        cdef int64_t latency
        if self.pending == NULL:
            return
        self.current = self.pending
        self.pending = NULL
        self.flips += 1
        self.last_flip_ns = when
        latency = when - self.current.meta.timestamp_ns
        # Below zero the frame was dated by another clock, or ahead: that says nothing.
        if self.current.meta.timestamp_ns and latency >= 0:
            self.latency_sum_ns += latency
            self.latency_count += 1
            if latency > self.latency_max_ns:
                self.latency_max_ns = latency
        if old != NULL:
            slot_drop(old)


cdef object offset_error(str name, int plane, uint32_t offset):
    """A framebuffer is made before the first frame comes, and only a frame tells where its picture begins."""
    return make_error(
        EINVAL, "DRM_IOCTL_MODE_ADDFB2", name,
        f"memory plane {plane} of the frame begins {offset} bytes into its buffer (V4L2's data_offset), and its"
        " framebuffer at 0",
        "choose a format in one memory plane, or let a converter stand in between",
    )
