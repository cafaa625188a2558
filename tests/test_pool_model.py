"""Every order of acquire, view, slice, drop, release, flush and close: a slot is never free while somebody looks."""

import gc

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from helpers import SIZE, XR24
from zcore._alloc import allocate_memfd
from zcore._errors import DeviceTimeoutError
from zcore._pool import Pool, PoolClosedError

SLOTS = 3


class Held:
    """A frame or a view: what the model knows of it."""

    def __init__(self, thing, index, token):
        self.thing, self.index, self.token = thing, index, token


class PoolMachine(RuleBasedStateMachine):
    frames = Bundle("frames")
    views = Bundle("views")

    def __init__(self):
        super().__init__()
        self.pool = Pool("model", "memfd")
        for _ in range(SLOTS):
            self.pool.add([allocate_memfd(SIZE)])
        self.pool.describe(**XR24)
        self.held_frames, self.held_views = [], []
        self.token = 0
        self.flushing = self.closed = False
        self.acquired = 0

    def used(self):
        return {held.index for held in self.held_frames + self.held_views}

    @rule(target=frames)
    def acquire(self):
        if self.flushing or self.closed:
            with pytest.raises(PoolClosedError, match="closed" if self.closed else "flushing"):
                self.pool.acquire(0)
            return Held(None, -1, 0)
        if len(self.used()) == SLOTS:
            with pytest.raises(DeviceTimeoutError):
                self.pool.acquire(0)
            return Held(None, -1, 0)
        frame = self.pool.acquire(0)
        assert frame.index not in self.used()
        assert (frame.sequence, frame.timestamp_ns, frame.bytes_used, frame.exports) == (0, 0, (SIZE,), 0)
        self.acquired += 1
        self.token = self.token % 255 + 1
        frame.array(write=True)[...] = self.token
        held = Held(frame, frame.index, self.token)
        self.held_frames.append(held)
        return held

    @rule(target=views, held=frames, write=st.booleans(), plane=st.booleans())
    def view(self, held, write, plane):
        if held not in self.held_frames:
            return Held(None, -1, 0)
        array = held.thing.planes(write)[0] if plane else held.thing.array(write)
        view = Held(array, held.index, held.token)
        self.held_views.append(view)
        return view

    @rule(target=views, held=views, what=st.sampled_from(["slice", "transpose", "memoryview", "reshape"]))
    def derive(self, held, what):
        if held not in self.held_views:
            return Held(None, -1, 0)
        thing = held.thing
        if isinstance(thing, memoryview):
            derived = thing[1:] if len(thing) > 1 else memoryview(thing)
        elif what == "memoryview":
            derived = memoryview(thing)
        else:
            derived = {"slice": lambda: thing[..., :1], "transpose": lambda: thing.T, "reshape": lambda: thing[None]}[
                what
            ]()
        view = Held(derived, held.index, held.token)
        self.held_views.append(view)
        return view

    @rule(held=consumes(views))
    def drop_view(self, held):
        if held in self.held_views:
            self.held_views.remove(held)
        held.thing = None

    @rule(held=consumes(frames))
    def drop_frame(self, held):
        if held in self.held_frames:
            self.held_frames.remove(held)
        held.thing = None

    @rule(held=frames)
    def release(self, held):
        if held not in self.held_frames:
            return
        if any(view.index == held.index for view in self.held_views):
            with pytest.raises(BufferError, match="alive"):
                held.thing.release()
            return
        held.thing.release()
        assert held.thing.released
        self.held_frames.remove(held)

    @precondition(lambda self: not self.closed)
    @rule(flushing=st.booleans())
    def flush(self, flushing):
        self.pool.set_flushing(flushing)
        self.flushing = flushing

    @rule()
    def collect(self):
        gc.collect(1)

    @precondition(lambda self: self.token > 5)
    @rule()
    def close(self):
        self.pool.close()
        self.closed, self.flushing = True, False

    @invariant()
    def no_slot_is_free_while_somebody_looks(self):
        used = self.used()
        stats = self.pool.stats
        assert stats["free"] == SLOTS - len(used)
        assert stats["leased"] == len(used)
        assert stats["acquired"] == self.acquired == stats["recycled"] + len(used)
        assert sum(self.pool.holders().values()) == len(used)
        assert self.pool.closed == self.closed

    @invariant()
    def nobody_else_writes_what_somebody_sees(self):
        for held in self.held_views:
            seen = held.thing.tobytes()
            assert seen == bytes([held.token]) * len(seen)

    @invariant()
    def views_are_counted(self):
        for held in self.held_frames:
            assert (held.thing.exports > 0) == any(view.index == held.index for view in self.held_views)

    def teardown(self):
        pool = self.pool
        for held in self.held_frames + self.held_views:
            held.thing = None
        self.held_frames, self.held_views = [], []
        assert pool.stats["free"] == SLOTS
        pool.close()


PoolMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
TestPoolModel = PoolMachine.TestCase
