"""The whole way, without a copy: camera, converter, encoder, decoder, display; and a file of the coded stream."""

import numpy as np
import pytest
from plain_codec import plain_decode

import zcore
from testbed import drivers
from zcore.formats import fourcc_str
from zcore.stages.file_layout import FWHT_HEADER

SIZE, MODE = (640, 360), (640, 480)  # vicodec has nothing smaller
FRAMES = 12


@pytest.fixture(params=[0, 1], ids=["single-planar", "multi-planar"])
def codecs(request):
    with drivers.vicodec(multiplanar=request.param) as nodes:
        yield nodes.one("m2m", "stateful-encoder").path, nodes.one("m2m", "stateful-decoder").path, request.param


def access_units(content):
    """Cut a file of FWHT into its frames."""
    units, at = [], 0
    while at < len(content):
        end = at + FWHT_HEADER.size + FWHT_HEADER.unpack_from(content, at)[-1]
        units.append(content[at:end])
        at = end
    return units


def assert_no_copy(report, frames):
    assert report.frames == frames
    for link in report.links:
        assert link.zero_copy, str(link)
        assert (link.frames, link.copied_frames, link.copied_bytes) == (frames, 0, 0), str(link)
        assert link.reattaches == 0, str(link)
        assert link.memory.startswith("dma"), str(link)


def converter(path):
    return zcore.Convert(path, extra_controls={"transaction_time_msec": 1})


@pytest.mark.proves("dev-decoder:initialization", "dev-encoder:drain", "T24")
def test_every_pixel_arrives(vivid, vim2m, codecs, vkms, tmp_path):
    """What vim2m gives and vicodec takes, vkms does not show: a second converter stands behind the decoder."""
    display = zcore.Display("vkms", mode=MODE, render_rectangle=(0, 0, *SIZE))
    camera = zcore.Capture(vivid, size=SIZE, rate=60, extra_controls={"osd_text_mode": 2})
    convert, again = converter(vim2m), converter(vim2m)
    encode, decode = zcore.Encode(codecs[0]), zcore.Decode(codecs[1])
    tee, file = zcore.Tee(), zcore.FileSink(tmp_path / "out.fwht")
    links = [
        (camera, convert), (convert, encode), (encode, tee), (tee, file), (tee, decode), (decode, again),
        (again, display),
    ]  # fmt: skip
    with zcore.Chain(links=links) as chain:
        report = chain.run(frames=FRAMES, require_zero_copy=True)
        shown = display.screenshot()
        plan = {link.source: link.caps for link in chain.plan()}
    report.links[:] = [link for link in report.links if link.sink != file.name]
    assert_no_copy(report, FRAMES)
    assert len(report.links) == 5
    units = access_units((tmp_path / "out.fwht").read_bytes())
    assert len(units) == FRAMES
    raw = fourcc_str(plan[decode].fourcc)
    assert raw in ("RGB3", "BGR3")
    with drivers.vicodec(multiplanar=0) as nodes:  # the plain decoder speaks the single-planar API
        pictures = plain_decode(nodes.one("m2m", "stateful-decoder").path, SIZE, raw, units)
    assert len(pictures) == FRAMES
    rgb = np.frombuffer(pictures[-1], np.uint8).reshape(SIZE[1], SIZE[0], 3)
    rgb = rgb if raw == "RGB3" else rgb[..., ::-1]
    assert np.unique(rgb.reshape(-1, 3), axis=0).shape[0] >= 8  # colour bars, and no black picture
    assert str(plan[again].format) == "RGB565"
    red_green_blue = shown[: SIZE[1], : SIZE[0], 2::-1]
    for colour, bits in enumerate((5, 6, 5)):
        seen, expected = red_green_blue[..., colour] >> (8 - bits), rgb[..., colour] >> (8 - bits)
        # vim2m makes one 16-bit pixel of each pixel, and rounds down
        assert np.array_equal(seen, expected), ["red", "green", "blue"][colour]
