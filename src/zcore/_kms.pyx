"""Frames on a KMS plane: nonblocking commits, flip events, and a frame held until the flip that replaces it."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, EINVAL, ENODEV, ENOENT, ETIMEDOUT
from libc.string cimport memset

from zcore._commits cimport MAX_SETTINGS, Commits, Setting
from zcore._drm cimport Card
from zcore._errors cimport check, device_error
from zcore._frame cimport Frame, frame_from_slot
from zcore._gem cimport Framebuffer, import_framebuffer
from zcore._holders cimport holder_id
from zcore._pool cimport Pool, slot_drop, slot_hold
from zcore._sys cimport atomic_load, atomic_store, sys_close, sys_dup, sys_read, sys_wait, sys_wait_two

from zcore._errors import make_error


cdef extern from "<poll.h>" nogil:
    enum:
        POLLIN

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int start, int flags)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK

cdef extern from *:
    """
    #include <errno.h>
    static inline int zc_kms_errno(int value) { return value < 0 ? -errno : value; }
    """
    int zc_kms_errno(int value) nogil


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
    commits : Commits, optional
        What the planes of the card have in common, where more than one of them shows frames.
    primary : bool
        With ``legacy``: whether page flips are for this plane; others are set with DRM_IOCTL_MODE_SETPLANE.
    asynchronous : bool
        Flip without waiting for the vertical blank, where the driver does not refuse that for a frame.
    """

    def __cinit__(self):
        memset(self.attached, 0, sizeof(self.attached))
        memset(&self.lane, 0, sizeof(self.lane))
        self.lane.bell = self.own_fd = -1

    def __init__(self, Card card not None, str name, uint32_t crtc, uint32_t plane, uint32_t fb_property, *,
                 bint legacy=False, Commits commits=None, bint primary=True, bint asynchronous=False):
        self.card = card
        self.name = name
        self.shared = commits if commits is not None else Commits(card, legacy=legacy)
        if self.shared.card is not card or self.shared.legacy != legacy:
            raise ValueError(f"{name}: the commits are those of another card")
        self.lane.crtc = crtc
        self.lane.plane = plane
        self.lane.fb_property = fb_property
        self.lane.primary_plane = primary
        self.lane.asynchronous = asynchronous
        self.lane.holder = holder_id(name)
        self.framebuffers = {}
        self.pools = ()

    @property
    def crtc(self):
        """Id of the CRTC."""
        return self.lane.crtc

    @property
    def plane(self):
        """Id of the plane."""
        return self.lane.plane

    @property
    def flips(self):
        """How many frames have come to the screen."""
        return self.lane.flips

    @property
    def commits(self):
        """How many frames were committed."""
        return self.lane.commits

    @property
    def shared_commits(self):
        """How many of the commits took frames of other planes along."""
        return self.lane.shared_commits

    @property
    def async_commits(self):
        """How many frames were flipped to without waiting for the vertical blank."""
        return self.lane.async_commits

    @property
    def async_refused(self):
        """For how many frames the driver refused that, and they waited after all."""
        return self.lane.async_refused

    @property
    def last_flip_ns(self):
        """CLOCK_MONOTONIC of the last flip."""
        return self.lane.last_flip_ns

    @property
    def latency_sum_ns(self):
        """From the frames' timestamps to the flips that showed them, summed up."""
        return self.lane.latency_sum_ns

    @property
    def latency_max_ns(self):
        """The longest of these."""
        return self.lane.latency_max_ns

    @property
    def latency_count(self):
        """How many of these there are."""
        return self.lane.latency_count

    @property
    def extras(self):
        """What goes along with the commits: :class:`CommitExtras`, or ``None`` where they are the picture alone."""
        return self.c_extras

    @extras.setter
    def extras(self, CommitExtras extras):
        self.c_extras = extras
        self.lane.extras = <void *>extras if extras is not None else NULL

    def retarget(self, uint32_t plane, uint32_t fb_property, *, bint primary=True):
        """Show frames on another plane from now on; nothing may be on the screen or on its way."""
        if self.holds:
            raise ValueError(f"{self.name}: shows frames on plane {self.lane.plane} still")
        self.lane.plane = plane
        self.lane.fb_property = fb_property
        self.lane.primary_plane = primary

    def place(self, target, source):
        """Say where a legacy overlay goes: rectangles in pixels, left, top, width and height."""
        for i in range(4):
            self.lane.place[i] = target[i]
            self.lane.place[4 + i] = source[i] << 16

    def change(self, settings):
        """Let properties go with the next frame.

        Parameters
        ----------
        settings : dict of int to dict of int to int
            Object id to property id to value; what was given before and has not gone yet stays.
        """
        cdef Setting raw[MAX_SETTINGS]
        cdef int count = 0, result
        for object, values in settings.items():
            for property, value in values.items():
                if count == MAX_SETTINGS:
                    raise ValueError(f"{self.name}: {MAX_SETTINGS} properties at most go with a frame")
                raw[count].object = object
                raw[count].property = property
                raw[count].value = value & 0xFFFFFFFFFFFFFFFF
                count += 1
        with nogil:
            result = self.shared.change(&self.lane, raw, count)
        if result < 0:
            raise ValueError(f"{self.name}: {MAX_SETTINGS} properties at most go with a frame")

    @property
    def waiting_settings(self):
        """How many properties wait for the next frame."""
        return self.lane.setting_count

    @property
    def descriptor(self):
        """Descriptor to wait on for events; one of its own beside other planes, as epoll takes each only once."""
        if self.shared.lane_count > 1 and self.own_fd < 0:
            self.own_fd = check(sys_dup(self.card.fd.number), "dup", self.name)
        return self.own_fd if self.own_fd >= 0 else self.card.fd.fileno()

    @property
    def bell(self):
        """Descriptor that is readable when another thread has read this plane's flip event."""
        if self.lane.bell < 0:
            self.lane.bell = check(zc_kms_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd", self.name)
        return self.lane.bell

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
            self.shared.join(&self.lane)
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
        if self.lane.current != NULL:
            raise ValueError(f"{self.name}: shows a frame already")
        frame._slot()
        self.keep(frame.pool)
        self.shared.join(&self.lane)
        slot_hold(frame.slot)
        self.lane.current = frame.slot

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
        if slot.fence >= 0 and (self.c_extras is None or not self.c_extras.in_fence_property):
            if not frame.fence.wait(timeout):
                raise device_error(ETIMEDOUT, "poll (fence)", self.name, f"{frame.fence!r} of {frame!r}")
        slot_hold(slot)
        with nogil:  # the lock of the commits is never waited for with the GIL
            result = self.submit(slot)
        if result < 0:
            slot_drop(slot)
            raise device_error(-result, "DRM_IOCTL_MODE_ATOMIC", self.name)

    def wait(self, double timeout=1.0):
        """Wait until no flip is on its way."""
        cdef int result
        cdef int timeout_ms = <int>(timeout * 1000)
        cdef int fd = self.card.fd.number
        cdef int bell = self.bell if self.shared.lane_count > 1 else -1
        cdef uint64_t rung
        self.lane.driven = False
        if atomic_load(&self.lane.turn):
            with nogil:
                self.shared.kick(&self.lane)
        while atomic_load(&self.lane.busy):
            with nogil:
                result = self.collect()
                if result == -EAGAIN and atomic_load(&self.lane.busy):
                    if bell >= 0:  # another thread may read the event
                        result = sys_wait_two(fd, POLLIN, bell, POLLIN, timeout_ms)
                        sys_read(bell, &rung, sizeof(rung))
                    else:
                        result = sys_wait(fd, POLLIN, timeout_ms)
            if result == -EAGAIN:
                continue
            if result == -EINTR:
                PyErr_CheckSignals()
                continue
            if result == 0 and atomic_load(&self.lane.busy):
                result = -ETIMEDOUT
            elif result > 0 and bell < 0 and not result & POLLIN:  # a hang-up would be told for ever
                result = -ENODEV
            if result < 0:
                raise device_error(-result, "flip event", self.name)
        result = self.trouble()
        if result < 0:
            raise device_error(-result, "DRM_IOCTL_MODE_ATOMIC", self.name)

    @property
    def holds(self):
        """How many frames are on the screen or on their way."""
        return (self.lane.current != NULL) + (self.lane.pending != NULL) + (self.lane.staged != NULL)

    def frame_on_screen(self):
        """Give the frame that is on the screen, or ``None``; holding it keeps it there unchanged."""
        if self.lane.current == NULL:
            return None
        for (pool_id, index), (_, pool) in self.framebuffers.items():
            if pool_id == self.lane.current.core.id and index == <int>self.lane.current.index:
                slot_hold(self.lane.current)
                return frame_from_slot(pool, self.lane.current)
        return None

    def release(self):
        """Give up the frames and remove the framebuffers; the plane must show something else, or nothing, by now."""
        with nogil:
            self.shared.leave(&self.lane)
        for fd in (self.lane.bell, self.own_fd):
            if fd >= 0:
                sys_close(fd)
        self.lane.bell = self.own_fd = -1
        memset(self.attached, 0, sizeof(self.attached))
        entries, self.framebuffers = self.framebuffers, {}
        for framebuffer, _ in entries.values():
            framebuffer.close()
        self.pools = ()

    def __dealloc__(self):
        if self.shared is not None:
            with nogil:
                self.shared.leave(&self.lane)
        for fd in (self.lane.bell, self.own_fd):
            if fd >= 0:
                sys_close(fd)

    # The frame path

    cdef uint32_t framebuffer_of(self, Slot *slot) noexcept nogil:
        if self.attached[slot.index].pool == slot.core.id:
            return self.attached[slot.index].framebuffer
        return 0

    cdef bint busy(self) noexcept nogil:
        return atomic_load(&self.lane.busy) != 0

    cdef bint has_turn(self) noexcept nogil:
        cdef int turn = atomic_load(&self.lane.turn)
        if turn == 1:
            atomic_store(&self.lane.turn, 2)
        elif turn:
            self.shared.kick(&self.lane)
        return turn != 0

    cdef int trouble(self) noexcept nogil:
        cdef int failure = atomic_load(&self.lane.failure)
        if failure:
            atomic_store(&self.lane.failure, 0)
        return failure

    cdef int submit(self, Slot *slot) noexcept nogil:
        cdef uint32_t framebuffer = self.framebuffer_of(slot)
        cdef int result
        if framebuffer == 0:
            return -ENOENT
        if self.busy():
            return -EBUSY
        result = self.trouble()
        if result < 0:
            return result
        return self.shared.submit(&self.lane, slot, framebuffer)

    cdef int collect(self) noexcept nogil:
        return self.shared.collect(&self.lane)


cdef object offset_error(str name, int plane, uint32_t offset):
    """A framebuffer is made before the first frame comes, and only a frame tells where its picture begins."""
    return make_error(
        EINVAL, "DRM_IOCTL_MODE_ADDFB2", name,
        f"memory plane {plane} of the frame begins {offset} bytes into its buffer (V4L2's data_offset), and its"
        " framebuffer at 0",
        "choose a format in one memory plane, or let a converter stand in between",
    )
