"""What the tests of the doors of a chain share."""

import threading
from contextlib import contextmanager

import numpy as np

import zcore
from zcore.stages.app import AppSource
from zcore.stages.fakes import FakeSink

SIZE = (16, 8)
SHAPE = (8, 16)


def picture(number):
    """A grey picture that is told from others by its value."""
    return np.full(SHAPE, number % 251, np.uint8)


def value(frame):
    return int(frame.array()[0, 0])


@contextmanager
def running(*stages, frames=None, **options):
    """Run a chain in a thread; what it raises is for the test to ask for."""
    chain = zcore.Chain(*stages)
    chain.start(frames, **options)
    try:
        yield chain
    finally:
        chain.stop()
        if chain._thread is not None:
            chain._thread.join(60)
            assert not chain._thread.is_alive(), "the chain hangs"


@contextmanager
def thread(work, *arguments):
    """Run something beside; its exception is raised at the end."""
    errors = []

    def body():
        try:
            work(*arguments)
        except BaseException as error:
            errors.append(error)

    beside = threading.Thread(target=body)
    beside.start()
    yield beside
    beside.join(60)
    assert not beside.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def wait_for(condition, what="it does not come true"):
    """Wait for another thread."""
    for _ in range(30_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError(what)


def grey(**options):
    return AppSource(format="GREY", size=SIZE, memory="memfd", **options)


class Seen(FakeSink):
    """Notes the frames that come, and waits for a permission with each where one is asked for."""

    def __init__(self, **options):
        super().__init__(on_frame=self.note, **options)
        self.values, self.frames, self.gate = [], [], None

    def note(self, frame):
        self.values.append(value(frame))
        self.frames.append((frame.sequence, frame.timestamp_ns))
        if self.gate is not None:
            self.gate.acquire(timeout=60)


def push_all(source, **options):
    """Push until nothing more goes in; gives how many went."""
    pushed = 0
    while source.push(picture(pushed), **options):
        pushed += 1
    return pushed


def acquire_all(source, kept, **options):
    """Take all buffers that there are."""
    while True:
        kept.append(source.acquire(**options))
