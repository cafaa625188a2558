"""Frames of several planes of one card in as few commits as may be: never two at a time on one CRTC."""

cimport cython
from libc.errno cimport EAGAIN, EBUSY, EINVAL, ENODEV, ENOSPC

from zcore._commit_call cimport commit_lanes, jobs_of, keep_for_reading, let_go_of_read
from zcore._dmabuf cimport pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock
from zcore._drm cimport Card
from zcore._kms_extras cimport CommitExtras
from zcore._kms_legacy cimport legacy_plane, page_flip
from zcore._pool cimport Slot, slot_drop
from zcore._sys cimport atomic_add, atomic_store, sys_notify, sys_read
from zcore.uapi.drm cimport ZC_DRM_EVENT_FLIP_COMPLETE, zc_drm_event, zc_drm_event_vblank


cdef enum:
    ALONE = 0x100000000  # no number of a commit: those have 32 bits

cdef int commit_numbers = 0  # of all cards: a stale event, of whomever, is never taken for the one that is awaited


@cython.final
@cython.no_gc_clear  # lanes point into scanouts, which leave when they go
cdef class Commits:
    """The commits of a card's planes.

    A frame that comes while its CRTC has a commit pending waits; when the flip event has come, the frames that wait
    for this CRTC go into one commit. A commit of several planes that the driver refuses is tried again plane by plane,
    so that the failure is told to the plane that it belongs to.

    Parameters
    ----------
    card : Card
        Open device, DRM master. Its events are read here and nowhere else.
    legacy : bool
        Flip with DRM_IOCTL_MODE_PAGE_FLIP and DRM_IOCTL_MODE_SETPLANE.
    """

    def __cinit__(self):
        pthread_mutex_init(&self.lock, NULL)

    def __init__(self, Card card not None, *, bint legacy=False):
        self.card = card
        self.legacy = legacy

    def __dealloc__(self):
        pthread_mutex_destroy(&self.lock)

    @property
    def claims_made(self):
        """How many commits beside frames wait for their turn, or are at it."""
        return sum([claim for claim in self.claims])

    cdef int join(self, Lane *lane) except -1:
        cdef int i
        cdef bint full = False
        with nogil:
            pthread_mutex_lock(&self.lock)
            for i in range(self.lane_count):
                if self.lanes[i] == lane:
                    break
            else:
                full = self.lane_count == MAX_LANES
                if not full:
                    self.lanes[self.lane_count] = lane
                    self.lane_count += 1
            pthread_mutex_unlock(&self.lock)
        if full:
            raise ValueError(f"{self.card.path}: {MAX_LANES} planes at most show frames at once")
        return 0

    cdef void leave(self, Lane *lane) noexcept nogil:
        cdef int i
        cdef bint last = True
        pthread_mutex_lock(&self.lock)
        for i in range(self.lane_count):
            if self.lanes[i] == lane:
                self.lane_count -= 1
                self.lanes[i] = self.lanes[self.lane_count]
                break
        for i in range(self.lane_count):
            if self.lanes[i].crtc == lane.crtc:
                last = False
        if last:  # an event that never came must not hold up who comes next
            i = self.place_of(lane.crtc)
            if self.awaited[i] != ALONE:
                self.awaited[i] = 0
        if lane.staged != NULL:
            slot_drop(lane.staged)
        if lane.pending != NULL:
            slot_drop(lane.pending)
        if lane.current != NULL:
            slot_drop(lane.current)
        if lane.read_back != NULL:
            slot_drop(lane.read_back)
        lane.staged = lane.pending = lane.current = lane.read_back = NULL
        lane.setting_count = 0
        atomic_store(&lane.turn, 0)
        atomic_store(&lane.busy, 0)
        atomic_store(&lane.failure, 0)
        pthread_mutex_unlock(&self.lock)

    cdef int change(self, Lane *lane, Setting *settings, int count) noexcept nogil:
        """Let properties go with the plane's next frame; a later value takes the place of an earlier one."""
        cdef int i, at, result = 0
        pthread_mutex_lock(&self.lock)
        for i in range(count):
            for at in range(lane.setting_count):
                if lane.settings[at].object == settings[i].object and (
                        lane.settings[at].property == settings[i].property):
                    break
            else:
                at = lane.setting_count
            if at == MAX_SETTINGS:
                result = -ENOSPC
                break
            lane.settings[at] = settings[i]
            if at == lane.setting_count:
                lane.setting_count += 1
        pthread_mutex_unlock(&self.lock)
        return result

    cdef int submit(self, Lane *lane, Slot *slot, uint32_t framebuffer) noexcept nogil:
        cdef int result = 0
        pthread_mutex_lock(&self.lock)
        lane.staged = slot
        lane.staged_framebuffer = framebuffer
        atomic_store(&lane.busy, 1)
        if self.is_free(lane.crtc) or self.legacy and not lane.primary_plane:
            result = self.flush(lane.crtc, lane)
        if result < 0:  # the reference stays the caller's
            lane.staged = NULL
            atomic_store(&lane.busy, 0)
        pthread_mutex_unlock(&self.lock)
        return result

    cdef int claim(self, uint32_t crtc, bint first) noexcept nogil:
        """Ask to make a commit that takes no turn; no lock is held over it, as it may set a mode and block."""
        cdef int at, result = -EAGAIN
        pthread_mutex_lock(&self.lock)
        at = self.place_of(crtc)
        if first:
            self.claims[at] += 1
        if self.awaited[at] == 0:
            self.awaited[at] = ALONE
            self.alone_count += 1
            result = 0
        pthread_mutex_unlock(&self.lock)
        return result

    cdef void settle(self, uint32_t crtc, bint claimed, bint read) noexcept nogil:
        """Let frames follow a commit that took no turn, or that was not made.

        With `read`, what is on the screen is written back, and its frames stay until :meth:`written_back`.
        """
        cdef int i, at
        pthread_mutex_lock(&self.lock)
        at = self.place_of(crtc)
        self.claims[at] -= 1
        if claimed:
            self.awaited[at] = 0
            self.alone_count -= 1
        if read:
            keep_for_reading(self.lanes, self.lane_count, crtc)
        for i in range(MAX_CRTCS):  # of all: a mode may take other CRTCs along, whose frames were refused so long
            if self.crtcs[i] and self.is_free(self.crtcs[i]):
                self.flush(self.crtcs[i], NULL)
        pthread_mutex_unlock(&self.lock)

    cdef void written_back(self, uint32_t crtc) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        let_go_of_read(self.lanes, self.lane_count, crtc)
        pthread_mutex_unlock(&self.lock)

    cdef int place_of(self, uint32_t crtc) noexcept nogil:
        cdef int i
        for i in range(MAX_CRTCS):
            if self.crtcs[i] == crtc:
                return i
            if self.crtcs[i] == 0:
                break
        self.crtcs[i] = crtc
        return i

    cdef bint is_free(self, uint32_t crtc) noexcept nogil:
        cdef int at = self.place_of(crtc)
        return self.awaited[at] == 0 and self.claims[at] == 0

    cdef int flush(self, uint32_t crtc, Lane *submitter) noexcept nogil:
        """Commit what waits for a CRTC; gives -errno where that failed for the plane that submits just now."""
        cdef int i, result, waiting = 0, own = 0
        cdef uint64_t number = <uint32_t>atomic_add(&commit_numbers, 1)
        cdef Lane *lane
        if number == 0:  # means none
            number = <uint32_t>atomic_add(&commit_numbers, 1)
        if self.legacy:
            for i in range(self.lane_count):
                lane = self.lanes[i]
                if lane.crtc != crtc or lane.staged == NULL or (
                        lane.primary_plane and not self.is_free(crtc)):
                    continue
                result = self.flip_legacy(lane, number)
                if result < 0 and lane == submitter:
                    own = result
                elif result < 0:
                    self.fail(lane, result)
            return own
        for i in range(self.lane_count):
            waiting += self.lanes[i].crtc == crtc and self.lanes[i].staged != NULL
        if waiting == 0:
            return 0
        result = self.commit(crtc, NULL, number)
        if result >= 0:
            return 0
        if result == -EBUSY and self.alone_count:
            return 0  # a mode is being set that takes this CRTC along: settle() comes back to it
        if waiting == 1:
            for i in range(self.lane_count):
                if self.lanes[i].crtc == crtc and self.lanes[i].staged != NULL and self.lanes[i] != submitter:
                    self.fail(self.lanes[i], result)
                    return 0
            return result
        # Not together: the first that can be shown goes alone, the others wait for its flip.
        for i in range(self.lane_count):
            lane = self.lanes[i]
            if lane.crtc != crtc or lane.staged == NULL:
                continue
            result = self.commit(crtc, lane, number)
            if result >= 0:
                break
            if lane == submitter:
                own = result
            else:
                self.fail(lane, result)
        return own

    cdef void fail(self, Lane *lane, int error) noexcept nogil:
        slot_drop(lane.staged)
        lane.staged = NULL
        atomic_store(&lane.failure, error)
        atomic_store(&lane.busy, 0)
        if lane.bell >= 0:
            sys_notify(lane.bell)

    cdef int commit(self, uint32_t crtc, Lane *only, uint64_t number) noexcept nogil:
        cdef int i, result, members = 0
        cdef bint asynchronous = True
        cdef uint64_t jobs = jobs_of(self.lanes, self.lane_count)
        cdef Lane *lane
        for i in range(self.lane_count):
            lane = self.lanes[i]
            if lane.crtc == crtc and lane.staged != NULL and (only == NULL or lane == only):
                members += 1
                asynchronous &= lane.asynchronous and lane.setting_count == 0
                if lane.extras != NULL and (<CommitExtras>lane.extras).adds(lane.staged.fence):
                    asynchronous = False
        asynchronous &= members == 1  # such a flip may change FB_ID of one plane, and nothing else
        result = self.call(crtc, only, number, asynchronous)
        if asynchronous and result < 0:
            result = self.call(crtc, only, number, False)
            if result < 0:
                return result
            for i in range(self.lane_count):
                lane = self.lanes[i]
                if lane.crtc == crtc and lane.staged != NULL and (only == NULL or lane == only):
                    lane.async_refused += 1
            asynchronous = False
        if result < 0:
            return result
        for i in range(self.lane_count):
            lane = self.lanes[i]
            if lane.crtc == crtc and lane.staged != NULL and (only == NULL or lane == only):
                lane.pending = lane.staged
                lane.staged = NULL
                atomic_store(&lane.turn, 0)
                lane.setting_count = 0
                lane.commits += 1
                lane.shared_commits += members > 1
                lane.async_commits += asynchronous
                lane.pending.holder = lane.holder
        if jobs_of(self.lanes, self.lane_count) != jobs:
            keep_for_reading(self.lanes, self.lane_count, crtc)
        self.awaited[self.place_of(crtc)] = number
        return 0

    cdef int call(self, uint32_t crtc, Lane *only, uint64_t number, bint asynchronous) noexcept nogil:
        cdef Lane *members[MAX_LANES]
        cdef int i, count = 0
        for i in range(self.lane_count):
            if self.lanes[i].crtc == crtc and self.lanes[i].staged != NULL and (only == NULL or self.lanes[i] == only):
                members[count] = self.lanes[i]
                count += 1
        return commit_lanes(self.card.fd.number, crtc, members, count, number, asynchronous)

    cdef int flip_legacy(self, Lane *lane, uint64_t number) noexcept nogil:
        cdef int fd = self.card.fd.number
        cdef int result
        if not lane.primary_plane:
            result = legacy_plane(fd, lane.plane, lane.crtc, lane.staged_framebuffer, lane.place)
        else:
            result = page_flip(fd, lane.crtc, lane.staged_framebuffer, number, lane.asynchronous)
            if lane.asynchronous and result < 0:
                result = page_flip(fd, lane.crtc, lane.staged_framebuffer, number, False)
                lane.async_refused += result >= 0
            elif lane.asynchronous:
                lane.async_commits += 1
        if result < 0:
            return result
        lane.pending = lane.staged
        lane.staged = NULL
        lane.commits += 1
        lane.pending.holder = lane.holder
        if lane.primary_plane:
            self.awaited[self.place_of(lane.crtc)] = number
        else:  # the call came back when the new picture had taken the old one's place; no event tells
            self.shown(lane, 0)
        return 0

    cdef int collect(self, Lane *reader) noexcept nogil:
        """Read what events there are, for all planes; unknown ones are skipped by their length."""
        cdef int count, offset = 0, seen = 0
        cdef zc_drm_event *event
        cdef zc_drm_event_vblank *vblank
        cdef int i
        pthread_mutex_lock(&self.lock)
        count = sys_read(self.card.fd.number, self.events, sizeof(self.events))
        if count <= 0:  # nothing at all is what a descriptor says that nobody will write to any more
            pthread_mutex_unlock(&self.lock)
            return count or -ENODEV
        while offset + <int>sizeof(zc_drm_event) <= count:
            event = <zc_drm_event *>(self.events + offset)
            if event.length < sizeof(zc_drm_event) or event.length > <uint32_t>(count - offset):
                pthread_mutex_unlock(&self.lock)
                return -EINVAL
            if event.type == ZC_DRM_EVENT_FLIP_COMPLETE and event.length >= sizeof(zc_drm_event_vblank):
                vblank = <zc_drm_event_vblank *>event
                for i in range(MAX_CRTCS):
                    # 0: kernels before DRM_CAP_CRTC_IN_VBLANK_EVENT do not say which CRTC it was
                    if self.crtcs[i] and self.awaited[i] and vblank.user_data == self.awaited[i] and (
                            vblank.crtc_id == self.crtcs[i] or vblank.crtc_id == 0):
                        self.awaited[i] = 0
                        seen += self.flipped(
                            self.crtcs[i], <int64_t>vblank.tv_sec * 1000000000 + <int64_t>vblank.tv_usec * 1000, reader)
                        break
            offset += event.length
        pthread_mutex_unlock(&self.lock)
        return seen

    cdef int flipped(self, uint32_t crtc, int64_t when, Lane *reader) noexcept nogil:
        cdef int i, seen = 0
        cdef Lane *lane
        for i in range(self.lane_count):
            lane = self.lanes[i]
            if lane.crtc == crtc and lane.pending != NULL and (not self.legacy or lane.primary_plane):
                self.shown(lane, when)
                if lane == reader:
                    seen += 1
                elif lane.bell >= 0:
                    sys_notify(lane.bell)
        # The planes of one loop get their next frames a step later: committing at once what one of them had waiting
        # would leave the others to the commit after it, and so each plane at half the rate.
        for i in range(self.lane_count):
            lane = self.lanes[i]
            if lane.crtc == crtc and lane.staged != NULL:
                if not self.is_free(crtc):
                    break  # for settle()
                if not lane.driven:
                    self.flush(crtc, NULL)
                    break
                atomic_store(&lane.turn, 1)
                if lane != reader and lane.bell >= 0:
                    sys_notify(lane.bell)
        return seen

    cdef void kick(self, Lane *lane) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        atomic_store(&lane.turn, 0)
        if lane.staged != NULL and self.is_free(lane.crtc):
            self.flush(lane.crtc, NULL)
        pthread_mutex_unlock(&self.lock)

    cdef void shown(self, Lane *lane, int64_t when) noexcept nogil:
        cdef Slot *old = lane.current
        cdef int64_t latency
        lane.current = lane.pending
        lane.pending = NULL
        lane.flips += 1
        if when:
            lane.last_flip_ns = when
            latency = when - lane.current.meta.timestamp_ns
            # Below zero the frame was dated by another clock, or ahead: that says nothing.
            if lane.current.meta.timestamp_ns and latency >= 0:
                lane.latency_sum_ns += latency
                lane.latency_count += 1
                if latency > lane.latency_max_ns:
                    lane.latency_max_ns = latency
        if old != NULL:
            slot_drop(old)
        atomic_store(&lane.busy, lane.staged != NULL)
