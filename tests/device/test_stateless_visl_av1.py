"""What stateless AV1 decoders are told, by the records of the kernel's visl, which prints what it gets."""

import ctypes

import pytest

from av1_rig import control, tiles
from bitstream_rig import encode
from test_stateless_visl import SIZE, played
from testbed import drivers
from visl_trace import numbers, recorded
from zcore.bitstream import av1


@pytest.fixture
def visl():
    with drivers.loaded("visl") as nodes:
        yield nodes.one("m2m").path


def value_of(record, path):
    """Follow ``loop_filter.level`` in a structure."""
    for name in path.split("."):
        record = getattr(record, name)
    return record


def same(printed, record):
    """Whether the kernel saw all numbers of a structure as they are in ours; gives how many were compared."""
    compared = 0
    for name, text in printed.items():
        if name.split(".")[-1] == "flags" or not hasattr(type(record), name.split(".")[0]):
            continue
        ours = value_of(record, name)
        if not isinstance(ours, int):
            bits = 8 * ctypes.sizeof(ours._type_)
            assert numbers(text) == [one & (1 << bits) - 1 for one in ours], name
        else:
            assert int(text) == ours, name
        compared += 1
    return compared


@pytest.mark.proves("dev-stateless-decoder:decoding", "dev-stateless-decoder:references")
def test_av1(visl):
    """Pictures that are coded early and shown later, with film grain and four tiles."""
    options = "film-grain=8:tile-columns=1:tile-rows=1:hierarchical-levels=2:keyint=7"
    packets = encode("libsvtav1", 9, SIZE, preset=8, svtav1_params=options)
    parser = av1.Av1Parser()
    pictures = [picture for packet, _, _ in packets for picture in parser.feed(packet)]
    coded = [picture for picture in pictures if picture.number]
    with recorded("av1") as seen:
        times, report = played(visl, "AV1", "video/x-av1", packets)
    # Each packet shows one picture, at its own time, whenever it was decoded.
    assert times == [(pts + 1) * 40_000_000 for _, pts, _ in packets]
    assert report.frames == 9
    assert len(coded) < len(pictures)
    frames = seen.of("v4l2_ctrl_av1_frame")
    sequences, grains = seen.of("v4l2_ctrl_av1_sequence"), seen.of("v4l2_ctrl_av1_film_grain")
    groups = seen.of("v4l2_ctrl_av1_tile_group_entry")
    assert len(frames) == len(sequences) == len(grains) == len(groups) == len(coded) == 9
    for n, picture in enumerate(coded):
        assert same(frames[n], control(picture, av1.CID_FRAME)) == 50
        assert same(sequences[n], control(picture, av1.CID_SEQUENCE)) == 5
        assert same(grains[n], control(picture, av1.CID_FILM_GRAIN)) == 24
        assert same(groups[n], tiles(picture)[0]) == 4
        assert ("SHOW_FRAME" in frames[n]["flags"].split("|")) == bool(picture.due)
        assert (frames[n]["frame_width_minus_1"], frames[n]["upscaled_width"]) == ("127", "128")
        assert (frames[n]["tile_info.tile_cols"], frames[n]["tile_info.tile_rows"]) == ("2", "2")
        assert grains[n]["flags"].startswith("APPLY_GRAIN")
    assert {one["bit_depth"] for one in sequences} == {"8"}
    assert all("FILM_GRAIN_PARAMS_PRESENT" in one["flags"] for one in sequences)
    # Order hints are the packets' own numbers.
    shown = [n for picture in pictures for n in picture.due]
    assert [int(frames[number - 1]["order_hint"]) for number in shown] == [pts for _, pts, _ in packets]
    # What is named was decoded before.
    for n, one in enumerate(frames):
        assert all(time < (n + 1) * 1000 for time in numbers(one["reference_frame_ts"]))
        assert any(numbers(one["reference_frame_ts"])) == (n + 1 not in [p.number for p in coded if p.key])


@pytest.mark.proves("dev-stateless-decoder:resolution-change", "dev-stateless-decoder:initialization")
def test_av1_of_another_size(visl):
    packets = encode("libsvtav1", 3, SIZE, preset=8)
    packets += [(data, pts + 3, key) for data, pts, key in encode("libsvtav1", 3, (160, 96), preset=8)]
    with recorded("av1") as seen:
        times, report = played(visl, "AV1", "video/x-av1", packets)
    assert times == [(n + 1) * 40_000_000 for n in range(6)]
    assert len(report.replanned) == 1
    assert "160x96 now" in report.replanned[0]
    assert [one["upscaled_width"] for one in seen.of("v4l2_ctrl_av1_frame")] == ["128"] * 3 + ["160"] * 3
