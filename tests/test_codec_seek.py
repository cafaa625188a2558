"""A seek, at moments that a fast device hardly ever has: full queues, a sleeping loop, pictures under way."""

import random
import threading
import time
from dataclasses import replace

import pytest
from test_stateless_parsed import Late

import zcore
from codec_rig import OTHER, SIZE, Camera, CodedSource, Kept, picture, stream
from fakekernel import FakeDecoder, FakeEncoder
from fakekernel.requests import FakeStatelessDecoder, coded_frame
from zcore.negotiate import LINK_FRAMES
from zcore.stages import stateless_codecs

BYTES = SIZE[0] * SIZE[1] * 3 // 2


class OneByOne:
    """A device that works when it is told to: mixed into one of the fakes."""

    allowed = 0

    def ready(self):
        return self.allowed > 0 and super().ready()

    def step(self):
        self.allowed -= 1
        super().step()

    def allow(self, count):
        with self.kernel.lock:
            self.allowed = count
            self.work()


class Stateful(OneByOne, FakeDecoder):
    """A stateful one."""


class Stateless(OneByOne, FakeStatelessDecoder):
    """A stateless one."""


def until(condition):
    """Wait for what the loop does in its thread."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.002)
    raise AssertionError("it did not come to that")


class Asked(CodedSource):
    """Tells when it is asked for a frame."""

    def fill(self, frame):
        self.on_ask()
        return super().fill(frame)

    def on_ask(self):
        """Replaced by a test."""


class Jam:
    """A chain whose decoder has taken all it can, behind a source that waits for room."""

    def __init__(self, device, payloads, stage):
        self.device, self.kept, self.source = device, Kept(), Asked(payloads)
        self.chain = zcore.Chain(self.source, stage, zcore.Callback(self.take))
        self.chain.start(stall_timeout=60)
        self.settle()

    def take(self, frame):
        self.kept.take(frame)
        self.on_picture()

    def on_picture(self):
        """Replaced by a test."""

    @property
    def wakeups(self):
        return self.chain._runner.loops[0].wakeups

    def settle(self):
        """Wait until nothing moves: OUTPUT is full, and what is in front of it has no room or no buffer."""
        until(lambda: self.device.output.buffers and len(self.device.output.queued) == len(self.device.output.buffers))
        most = len(self.device.output.buffers) + (LINK_FRAMES if isinstance(self.device, Stateless) else 0)
        until(lambda: self.source.given == most)

    def end(self):
        self.device.allow(1 << 30)
        return self.chain.wait()


def decoder(fake_kernel, stateless):
    if stateless:
        return Stateless(fake_kernel), zcore.StatelessDecode("/dev/video2", format="NV12", media="/dev/media0")
    return Stateful(fake_kernel, "/dev/video2"), zcore.Decode("/dev/video2", format="NV12")


def payloads_of(stateless, count):
    if not stateless:
        return stream((count, SIZE))[0]
    return [coded_frame(picture(n, BYTES), SIZE) for n in range(count)]


@pytest.mark.proves("dev-decoder:seek-flush", "dev-stateless-decoder:seek")
@pytest.mark.parametrize("stateless", [False, True])
def test_source_that_waits_for_room_gives_on_at_once(fake_kernel, stateless):
    """A flush makes room in the link although no frame moves: the source is asked before the loop sleeps."""
    device, stage = decoder(fake_kernel, stateless)
    jam = Jam(device, payloads_of(stateless, 30), stage)
    at_flush, at_ask = [], []

    def look():
        if not at_flush:
            stage.flush()
            at_flush.append((jam.wakeups, jam.source.given))

    jam.on_picture = look
    jam.source.on_ask = lambda: at_ask.append((jam.wakeups, jam.source.given))
    device.allow(1)
    until(lambda: at_flush and jam.source.given > at_flush[0][1])
    report = jam.end()
    assert next(ask for ask in at_ask if ask[1] == at_flush[0][1]) == at_flush[0]
    flushed = report.stages[1].drops["flushed"]
    assert flushed >= 3
    assert len(jam.kept.payloads) + flushed == 30


@pytest.mark.proves("dev-decoder:seek-flush", "dev-stateless-decoder:seek")
@pytest.mark.parametrize("stateless", [False, True])
def test_loop_that_sleeps_is_woken(fake_kernel, stateless):
    device, stage = decoder(fake_kernel, stateless)
    jam = Jam(device, payloads_of(stateless, 40), stage)
    given = jam.source.given
    stage.flush()
    until(lambda: jam.source.given > given)
    report = jam.end()
    assert len(jam.kept.payloads) + report.stages[1].drops["flushed"] == 40
    assert jam.kept.times[-1] == 5_000_000 * 40


@pytest.mark.proves("dev-stateless-decoder:seek")
def test_pictures_under_way_are_ignored_and_their_references_kept(fake_kernel):
    """The fake complains where a reference is queued to be filled before the pictures that build on it are decoded."""
    device, stage = decoder(fake_kernel, True)
    frames = [picture(n, BYTES) for n in range(30)]
    payloads = [coded_frame(one, SIZE, frames[n - 1] if n % 12 else None) for n, one in enumerate(frames)]
    jam = Jam(device, payloads, stage)
    device.allow(2)
    until(lambda: len(jam.kept.payloads) == 2)
    stage.flush()
    report = jam.end()
    drops = report.stages[1].drops
    assert drops["flushed"] >= 4
    assert len(jam.kept.payloads) + sum(drops.values()) == 30
    shown = [frames.index(one) for one in jam.kept.payloads]
    assert shown[:2] == [0, 1]
    assert shown[2] in (12, 24)  # the next key frame
    assert shown[2:] == list(range(shown[2], 30))
    assert drops["no reference"] == 30 - len(shown) - drops["flushed"]


@pytest.mark.proves("dev-stateless-decoder:seek")
def test_parser_begins_again(fake_kernel, monkeypatch):
    made = []

    class Counted(Late):
        def __init__(self, last_number=0):
            super().__init__(last_number)
            made.append(last_number)

    codec = replace(stateless_codecs.CODECS["FWHT"], parser=Counted, references=Late.references)
    monkeypatch.setitem(stateless_codecs.CODECS, "FWHT", codec)
    device, stage = decoder(fake_kernel, True)
    jam = Jam(device, payloads_of(True, 30), stage)
    device.allow(2)
    until(lambda: len(jam.kept.payloads) == 1)  # each is shown when the next one is decoded
    stage.flush()
    until(lambda: len(made) == 2)
    report = jam.end()
    assert made[1] > made[0] == 0
    assert jam.kept.times[-1] == 5_000_000 * 30
    assert len(jam.kept.payloads) + report.stages[1].drops["flushed"] == 30


def test_flush_between_runs_and_damage_in_each(fake_kernel):
    """Counts are those of a run, whichever node it had."""
    device, stage = decoder(fake_kernel, True)
    device.allowed = 1 << 30
    frames = [picture(n, BYTES) for n in range(4)]
    payloads = [coded_frame(one, SIZE, frames[n - 1] if n else None) for n, one in enumerate(frames)]
    payloads[1] = b"X" + payloads[1][1:]
    source, kept = CodedSource(payloads), Kept()
    stage.flush()
    with zcore.Chain(source, stage, kept.stage) as chain:
        for _ in range(3):
            source.given = 0
            assert chain.run().stages[1].drops == {"damaged header": 1}
            stage.flush()


@pytest.mark.proves("request-api:queue-and-complete")
def test_request_that_is_late_is_waited_for_by_the_loop(fake_kernel):
    """Nobody sleeps on a request: another thread ends it, and the loop hears of it from its epoll."""
    device, stage = decoder(fake_kernel, True)
    device.late_end, device.allowed = True, 1 << 30
    waits, wait = [], fake_kernel.wait

    def watch(fd, events, timeout_ms):
        waits.append(timeout_ms)
        return wait(fd, events, timeout_ms)

    fake_kernel.wait = watch
    kept, source = Kept(), CodedSource(payloads_of(True, 20))
    chain = zcore.Chain(source, stage, kept.stage)
    chain.start(stall_timeout=60)
    done = 0
    while done < 20:
        done = min(20, done + 6)  # as many as there are requests
        until(lambda done=done: len(kept.payloads) == done)
        device.end_late()
    report = chain.wait()
    assert report.frames == 20
    assert not any(waits)
    assert fake_kernel.count("MEDIA_REQUEST_IOC_REINIT") <= 14 + 4


@pytest.mark.proves("dev-decoder:initialization")
def test_decoder_that_waits_for_a_header_sleeps(fake_kernel):
    """Its CAPTURE buffers are free and not to be queued yet: that is no reason to stay awake."""
    device, stage = decoder(fake_kernel, False)
    device.late = True
    jam = Jam(device, payloads_of(False, 20), stage)
    before = jam.wakeups
    for _ in range(3):
        time.sleep(0.02)
    assert jam.wakeups - before < 20
    device.read_header()
    jam.end()
    assert len(jam.kept.payloads) == 20


@pytest.mark.proves("dev-decoder:drain-last", "dev-encoder:drain")
@pytest.mark.parametrize("asked", [False, True])
def test_last_that_is_lost_is_not_waited_for(fake_kernel, asked):
    """STOP that comes while v4l2-mem2mem takes the last buffer from its queue: no picture is marked LAST, ever."""
    devices = FakeEncoder(fake_kernel, "/dev/video1"), FakeDecoder(fake_kernel, "/dev/video2")
    for device in devices:
        device.last_flag = lambda: 0
        device.finish_last = lambda: None
    encode, decode = zcore.Encode("/dev/video1"), zcore.Decode("/dev/video2", format="NV12")
    kept = Kept()

    def look(frame):
        kept.take(frame)
        if asked and len(kept.times) == 5:
            encode.drain()

    report = zcore.Chain(Camera(fake_kernel).stage(), encode, decode, zcore.Callback(look)).run(frames=12)
    assert len(kept.payloads) == report.frames == 12


@pytest.mark.proves("dev-stateless-decoder:seek")
@pytest.mark.parametrize("seed", range(8))
def test_seeks_at_any_time_lose_no_count(fake_kernel, seed):
    """Sizes change, requests end late, and flushes come from the sink and from another thread."""
    chance = random.Random(seed)
    device, stage = decoder(fake_kernel, True)
    device.late_end = seed % 2 == 1
    payloads = []
    for _ in range(chance.randint(2, 6)):
        size = chance.choice([SIZE, OTHER])
        frames = [picture(n, size[0] * size[1] * 3 // 2) for n in range(chance.randint(1, 7))]
        payloads += [coded_frame(one, size, frames[n - 1] if n else None) for n, one in enumerate(frames)]
    at = {chance.randint(1, len(payloads)) for _ in range(2)}
    over, kept = threading.Event(), Kept()

    def work():
        while not over.wait(chance.choice([0, 0.0005, 0.002])):
            device.allow(chance.choice([0, 1, 3]))
            device.end_late()
            if chance.random() < 0.02:
                stage.flush()

    def look(frame):
        kept.take(frame)
        if len(kept.sizes) in at:
            stage.flush()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        report = zcore.Chain(CodedSource(payloads), stage, zcore.Callback(look)).run()
    finally:
        over.set()
        thread.join()
    assert len(kept.sizes) + sum(report.stages[1].drops.values()) == len(payloads)
    assert kept.times == sorted(set(kept.times))
