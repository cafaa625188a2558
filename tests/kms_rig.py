"""What the tests of kms share."""

import struct

import pytest

from fakekernel import FakeCard
from fakekernel.drm import CRTC, PRIMARY
from helpers import make_pool
from zcore._drm import Card
from zcore._kms import Scanout


class Rig:
    def __init__(self, kernel, atomic=True, count=4, **options):
        self.fake = FakeCard(kernel, atomic=atomic, **options)
        self.fake.active = 1
        self.card = Card("/dev/dri/card0")
        self.scanout = Scanout(
            self.card, "screen", CRTC, PRIMARY, self.fake.property_id(PRIMARY, "FB_ID"), legacy=not atomic
        )
        self.pool, self.memories = make_pool(kernel, count)

    def frame(self):
        return self.pool.acquire(0)

    @property
    def client(self):
        return next(iter(self.fake.clients.values()))

    def on_screen(self):
        """The buffer that is on the screen now."""
        id = self.fake.shown[PRIMARY]
        return self.memories.index(self.client.framebuffers[id].objects[0]) if id else None

    def close(self):
        self.scanout.release()
        self.card.close()


@pytest.fixture(params=[True, False], ids=["atomic", "legacy"])
def rig(request, fake_kernel):
    made = Rig(fake_kernel, request.param)
    if not request.param:  # page flips need something on the screen already
        _, made.splash = show_splash(made)
    yield made
    made.close()


def show_splash(rig):
    frame = rig.frame()
    framebuffer = rig.scanout.attach_slot(rig.pool, frame.index)
    rig.fake.shown[PRIMARY] = framebuffer.id
    rig.scanout.hold_first(frame)
    return framebuffer, frame.index


@pytest.fixture
def atomic(fake_kernel):
    made = Rig(fake_kernel)
    yield made
    made.close()


def vblank(type=1, length=32, crtc=CRTC):
    return struct.pack("=IIQIIII", type, length, 0, 0, 0, 0, crtc).ljust(length, b"\xee")
