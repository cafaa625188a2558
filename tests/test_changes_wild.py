"""Streams that change their size up, down and up again, behind filters, tees and queues."""

import pytest

import zcore
from codec_rig import OTHER, SIZE, CodedSource, Kept, decoder, stream
from zcore.stages.codec import Decode

pytest.importorskip("av")

LARGE = (64, 64)
WILD = [
    [(2, SIZE), (1, OTHER), (1, SIZE), (3, LARGE), (1, SIZE)],
    [(1, OTHER), (1, SIZE), (1, OTHER), (1, OTHER), (2, LARGE), (1, OTHER)],
    [(1, LARGE), (1, SIZE)],
]


def fixed(size):
    return zcore.CapsFilter(f"video/x-raw,width={size[0]},height={size[1]}")


@pytest.mark.parametrize("parts", WILD)
def test_conversions_come_and_go(fake_kernel, parts):
    """A scaler is put in by the plan where a filter asks for one size, and is gone where the stream has that size."""
    decoder(fake_kernel)
    payloads, _, sizes = stream(*parts)
    kept = Kept()
    report = zcore.Chain(CodedSource(payloads), Decode("/dev/video2"), fixed(SIZE), kept.stage).run()
    assert kept.sizes == [SIZE] * len(sizes)
    assert report.frames == len(sizes)


@pytest.mark.parametrize("parts", WILD)
def test_branches_keep_their_own_books(fake_kernel, parts):
    decoder(fake_kernel)
    payloads, pictures, sizes = stream(*parts)
    scaled, plain, raw = Kept(), Kept(), Kept()
    source, decode = CodedSource(payloads), Decode("/dev/video2")
    first, second, queue, filter = zcore.Tee(), zcore.Tee(), zcore.Queue(), fixed(SIZE)
    links = [
        (source, first), (first, decode), (first, raw.stage), (decode, second), (second, filter),
        (filter, scaled.stage), (second, queue), (queue, plain.stage),
    ]  # fmt: skip
    report = zcore.Chain(links=links).run()
    assert raw.payloads == payloads
    assert plain.sizes == sizes
    assert plain.payloads == pictures
    assert scaled.sizes == [SIZE] * len(sizes)
    for link in report.links:
        if link.sink in (raw.stage.name, plain.stage.name, decode.name):
            assert link.frames == len(sizes), link.sink
