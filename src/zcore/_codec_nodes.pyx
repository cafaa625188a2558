"""Encoders and decoders as the loop sees them: a mem-to-mem device with a stream that begins, changes and ends."""

cimport cython
from libc.errno cimport EAGAIN, EBUSY, EINVAL, ENOTTY, EPIPE
from libc.stdint cimport uint32_t

from zcore._chain cimport Link
from zcore._coded_nodes cimport CodedNode
from zcore._ioctl cimport v4l2_streamon
from zcore._nodes cimport ConvertNode
from zcore._pool cimport Core, Slot, slot_drop
from zcore._queue_steps cimport feed_queue
from zcore._sys cimport atomic_load, atomic_store
from zcore._v4l2 cimport Queue
from zcore._v4l2_buffers cimport QUEUE_ENDED, QUEUE_STREAMING
from zcore._v4l2_codec cimport codec_command, codec_source_change
from zcore.uapi.videodev2 cimport V4L2_BUF_FLAG_ERROR


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN
        EPOLLPRI
        EPOLLOUT
        EPOLLERR
        EPOLLHUP

cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED

cdef uint32_t FAILED = EPOLLERR | EPOLLHUP


cdef int stream_again(Queue queue) noexcept nogil:
    """Start a queue that was just stopped; a CAPTURE queue has been refilled."""
    cdef int result = v4l2_streamon(queue.fd.number, queue.type)
    if result < 0:
        return result
    queue.c_state = QUEUE_STREAMING
    queue.last_sequence = -1
    return 0


@cython.final
cdef class CodecNode(CodedNode):
    """A stateful encoder or decoder.

    At the end of its input it is told to drain (V4L2_ENC_CMD_STOP, V4L2_DEC_CMD_STOP) and gives everything up to the
    buffer with the flag LAST. A driver without that command is waited for as a converter is.

    Parameters
    ----------
    changed : callable
        For a decoder: called with ``"stream"`` when the driver has read the header of a stream, to make CAPTURE ready
        and start it; with ``"damaged"`` when the first picture of a doubtful format came damaged; with ``"nothing"``
        when the input ended without a stream. It gives ``"doubtful"`` where the format may not be possible,
        ``"pause"`` where the stream needs other buffers: then the link behind is closed, and the node takes coded
        frames as far as OUTPUT has room, until :meth:`resume`. What it raises ends the run.
    """

    def __init__(self, str name, Queue output not None, Queue capture not None, Link source not None,
                 Link sink not None, *, changed=None, bint drop_corrupted=False):
        CodedNode.__init__(
            self, name, output, capture, source, sink, changed=changed, drop_corrupted=drop_corrupted
        )
        self.decoder = changed is not None
        self.waiting = self.decoder and capture.c_state != QUEUE_STREAMING

    def resume(self, Link sink not None, changed):
        """Go on behind a pause: CAPTURE has buffers for the new stream, and streams."""
        self.sink = sink
        self.changed = changed
        self.paused = self.stop_sent = self.waiting = self.told = False
        self.doubtful = False
        self.ready |= EPOLLIN

    def doubt(self):
        """Take the format for one that may not be possible, until a picture came."""
        self.doubtful = True

    def empty(self):
        """Have everything that was taken come out before anything more is taken; from any thread."""
        atomic_store(&self.empty_asked, 1)
        self.wake()

    cdef int step(self) noexcept nogil:
        cdef int fed, taken, told = 0, given, ended, result
        if self.done:
            return 0
        if self.paused:
            fed = self.feed()
            if fed < 0:
                return fed
            taken = self.take_back()
            return taken if taken < 0 else fed + taken
        if atomic_load(&self.flush_asked):
            result = self.throw_away()
            if result:
                return result
        if self.capture.c_state == QUEUE_STREAMING and not self.told:
            result = self.capture.refill()
            if result == -EINVAL and self.decoder and codec_source_change(self.output.fd.number) > 0:
                self.told = True  # CAPTURE is at the new format already; what is left comes in the buffers that it has
            elif result < 0:
                self.operation = "VIDIOC_QBUF"
                return result
        if atomic_load(&self.empty_asked) and not self.waiting and not self.stop_sent:
            atomic_store(&self.empty_asked, 0)
            if self.frames_in > self.frames_out + self.settled:
                result = self.drain()
                if result < 0:
                    return result
                self.emptying = self.stop_sent
        fed = 0 if self.emptying else self.feed()
        if fed < 0:
            return fed
        taken = self.take_back()
        if taken < 0:
            return taken
        if self.waiting and (fed or taken or self.ready & EPOLLPRI):
            self.ready &= ~<uint32_t>EPOLLPRI
            told = self.look_for_change()
            if told < 0 or self.paused:
                return told
        given = self.give()
        if given < 0:
            return given
        ended = self.find_end(fed + taken + told + given)
        if ended < 0:
            return ended
        return fed + taken + told + given + ended

    cdef bint missing_may_come(self) noexcept nogil:
        """As a converter's, without what was thrown away or dropped: nobody waits for that."""
        if self.accounted() >= self.frames_in:
            return False
        return ConvertNode.missing_may_come(self)

    cdef int feed(self) noexcept nogil:
        cdef int result = feed_queue(self.output, self.source, &self.frames_in, True)
        if result < 0:
            self.operation = "VIDIOC_QBUF"
        return result

    cdef int give(self) noexcept nogil:
        cdef Slot *slot = NULL
        cdef int result
        if self.capture.c_state != QUEUE_STREAMING:
            return 0
        result = self.fetch(&slot)
        if result == -EPIPE:
            return 1
        if result <= 0:
            return result
        if slot.meta.flags & V4L2_BUF_FLAG_ERROR and self.doubtful:
            slot_drop(slot)
            return self.ask(b"damaged")
        self.doubtful = False
        return self.hand_on(slot)

    cdef int look_for_change(self) noexcept nogil:
        cdef int result = 1 if self.told else codec_source_change(self.output.fd.number)
        self.told = False
        if result == -ENOTTY:
            return 0
        if result < 0:
            self.operation = "VIDIOC_DQEVENT"
            return result
        if result == 0:
            return 0
        self.waiting = False
        self.stop_sent = self.emptying = False  # restarting CAPTURE makes the driver forget that it drains
        self.ready |= EPOLLIN
        return self.ask(b"stream")

    cdef int ask(self, const char *what) noexcept with gil:
        """1 = go on, -ECANCELED = it raised."""
        answer = self.consult(((<bytes>what).decode(),))
        self.doubtful = answer == "doubtful"
        return 1 if answer is not None else -ECANCELED

    cdef int find_end(self, int moved) noexcept nogil:
        """Drain when the input is over; be done when everything came out. Gives 1 where that moved something."""
        cdef int result
        cdef bint drained = self.source.closed and self.source.count == 0
        if self.capture.c_state == QUEUE_ENDED:
            if self.decoder:
                result = self.look_for_change()
                if result:
                    return result
            if self.emptying:
                return self.go_on()
            if not self.stop_sent and not (self.no_stop and drained):  # it ended by itself, in mid-stream
                self.operation = "VIDIOC_DQBUF"
                return -EPIPE
            self.done = True
            self.sink.close()
            return 1
        if moved:
            self.patience_ns = 0
        if self.stop_sent and not moved and self.end_is_lost():
            if self.emptying:
                self.emptying = self.stop_sent = False
                return self.restart_capture()
            self.done = True
            self.sink.close()
            return 1
        if not drained or moved:
            return 0
        if not self.frames_in:
            self.done = True
            self.sink.close()
            return 1
        if self.waiting:  # for the header of a stream, of which only scraps came
            return 0 if self.output.queued_count or self.patient() else self.ask(b"nothing")
        if not self.stop_sent and not self.no_stop:
            return self.drain()
        if self.no_stop and not self.output.queued_count:
            self.ready |= EPOLLIN
            result = self.give()
            if result:
                return result
            if self.sink.has_room() and not self.missing_may_come():
                self.done = True
                self.sink.close()
                return 1
        return 0

    cdef bint end_is_lost(self) noexcept nogil:
        """Whether everything came out a second ago and LAST did not.

        The kernel's v4l2-mem2mem marks the picture of the last buffer that is queued when it is told to drain. Where
        the driver has looked at that buffer's mark already, and has not taken it out of the queue yet, nothing is
        marked, and nothing ever will be.
        """
        if self.output.queued_count or self.accounted() < self.frames_in or not self.sink.has_room():
            return False
        return not self.patient()

    cdef int throw_away(self) noexcept nogil:
        """A seek, as the kernel's decoder interface has it: restart OUTPUT, and CAPTURE to drop what is decoded.

        Gives 1: the link in front has room now, and who gives into it must be asked again before the loop sleeps.
        """
        cdef int result
        cdef bint capturing = self.capture.c_state == QUEUE_STREAMING or self.capture.c_state == QUEUE_ENDED
        if self.capture.c_state == QUEUE_ENDED and not self.stop_sent:
            return 0  # the stream is changing: once that is done
        atomic_store(&self.flush_asked, 0)
        self.write_off()
        self.operation = "VIDIOC_STREAMOFF"
        result = self.output.stop_streaming()
        if result < 0:
            return result
        if capturing:
            result = self.capture.stop_streaming()
            if result < 0:
                return result
        self.stop_sent = self.emptying = False
        self.ready = 0
        self.operation = "VIDIOC_STREAMON"
        result = stream_again(self.output)
        if result < 0 or not capturing:
            return result if result < 0 else 1
        if self.decoder:  # it may have read the header of another stream already: CAPTURE is set to that then
            result = self.look_for_change()
            if result:
                return result
        self.operation = "VIDIOC_QBUF"
        result = self.capture.refill()
        if result < 0:
            return result
        self.operation = "VIDIOC_STREAMON"
        result = stream_again(self.capture)
        return result if result < 0 else 1

    cdef int go_on(self) noexcept nogil:
        """Take frames again, after everything came out."""
        cdef int result
        cdef Slot *slot = NULL
        if not self.sink.has_room():
            return 0
        result = codec_command(self.output.fd.number, self.decoder, False)
        self.emptying = self.stop_sent = False
        if result >= 0:
            # vicodec of Linux 6.12 goes on and answers EPIPE all the same. Nothing has been fed yet that could be lost.
            self.capture.c_state = QUEUE_STREAMING
            result = self.capture.dequeue(&slot)
            if result == -EPIPE:
                return self.restart_capture()
            if result >= 0:
                self.frames_out += 1
                self.sink.push(slot)
            return 1 if result == -EAGAIN else result if result < 0 else 1
        if result != -ENOTTY and result != -EINVAL:
            self.operation = "VIDIOC_DECODER_CMD" if self.decoder else "VIDIOC_ENCODER_CMD"
            return result
        return self.restart_capture()

    cdef int restart_capture(self) noexcept nogil:
        """Have a driver forget that it has drained, which cannot be told, or says EPIPE after it was told."""
        cdef int result
        self.operation = "VIDIOC_STREAMON"
        result = self.capture.stop_streaming()
        if result >= 0:
            result = self.capture.refill()
        if result >= 0:
            result = stream_again(self.capture)
        return result if result < 0 else 1

    cdef int drain(self) noexcept nogil:
        cdef int result = codec_command(self.output.fd.number, self.decoder, True)
        if result == -ENOTTY or result == -EINVAL:
            self.no_stop = True
            return 1
        if result < 0 and result != -EBUSY:  # it drains already
            self.operation = "VIDIOC_DECODER_CMD" if self.decoder else "VIDIOC_ENCODER_CMD"
            return result
        self.stop_sent = True
        self.ready |= EPOLLIN
        return 1

    cdef uint32_t wants(self) noexcept nogil:
        cdef uint32_t events = 0
        if self.done:
            return 0
        if self.paused:  # only OUTPUT goes on
            return EPOLLOUT if self.output.queued_count else 0
        if self.output.queued_count:
            events |= EPOLLOUT
            if self.waiting:
                events |= EPOLLPRI
        # Without a buffer in either queue poll() says EPOLLERR for ever; after LAST it says EPOLLIN for ever.
        if self.capture.queued_count and self.capture.c_state == QUEUE_STREAMING and self.sink.has_room():
            events |= EPOLLIN
        return events

    cdef Core *starved_of(self) noexcept nogil:
        return NULL if self.told else CodedNode.starved_of(self)
