"""The stage that hands frames on, and may lose, delay or count them."""

import pytest

import zcore
from zcore.stages.fakes import FakeSink, FakeSource
from zcore.stages.identity import Identity

SIZE = (64, 48)


def run(frames=10, rate=25, **options):
    """Gives the numbers of the frames that came through, the stage and the report."""
    seen = []
    stage = Identity(**options)
    source = zcore.TestSource("GREY", SIZE, rate=rate, is_live=False, memory="memfd")
    report = zcore.Chain(source, stage, FakeSink(on_frame=lambda f: seen.append((f.sequence, f.timestamp_ns)))).run(
        frames=frames
    )
    return seen, stage, report


def test_frames_go_through_as_they_are():
    buffers = []
    stage = Identity(on_frame=lambda frame: buffers.append(frame.index))
    sink = FakeSink(on_frame=lambda frame: buffers.append(frame.index))
    report = zcore.Chain(FakeSource("GREY", SIZE, memory="memfd"), stage, sink).run(frames=8)
    assert report.zero_copy
    assert buffers[::2] == buffers[1::2] or sorted(buffers[::2]) == sorted(buffers[1::2])
    assert stage.facts() == {"frames_seen": 8}
    assert stage.drops() == {}


def test_it_costs_no_python_when_nothing_is_to_be_told():
    seen, stage, _ = run()
    assert [number for number, _ in seen] == list(range(10))
    assert stage.last_message is None


def test_eos_after_is_gstreamers():
    """With 3 the third buffer is the end: two go through."""
    seen, _, report = run(eos_after=3)
    assert [number for number, _ in seen] == [0, 1]
    assert report.frames == 2


def test_error_after_names_stage_and_cause():
    with pytest.raises(zcore.ChainError, match="faulty fails in the place of frame 3, as error_after asks") as caught:
        run(error_after=3, name="faulty")
    assert caught.value.report.frames == 2


@pytest.mark.parametrize(("probability", "least", "most"), [(0.0, 0, 0), (1.0, 200, 200), (0.3, 30, 95)])
def test_drop_probability(probability, least, most):
    seen, stage, report = run(200, drop_probability=probability, seed=1)
    dropped = 200 - len(seen)
    assert least <= dropped <= most
    assert stage.drops().get("drop_probability", 0) == dropped
    assert next(s for s in report.stages if s.name == stage.name).drops.get("drop_probability", 0) == dropped


def test_same_seed_same_frames():
    assert run(100, drop_probability=0.5, seed=5)[0] == run(100, drop_probability=0.5, seed=5)[0]
    assert run(100, drop_probability=0.5, seed=5)[0] != run(100, drop_probability=0.5, seed=6)[0]


def test_function_drops_frames():
    seen, stage, _ = run(on_frame=lambda frame: frame.sequence % 2 == 0)
    assert [number for number, _ in seen] == [0, 2, 4, 6, 8]
    assert stage.drops() == {"refused": 5}


def test_function_that_returns_nothing_drops_nothing():
    seen, _, _ = run(on_frame=lambda frame: None)
    assert len(seen) == 10


def test_exception_of_the_function_ends_the_chain():
    def fail(frame):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(on_frame=fail, name="fails")
    assert "in stage fails of the chain" in caught.value.__notes__


def test_datarate_stamps_anew():
    seen, _, _ = run(3, datarate=64 * 48 * 10)
    assert [time for _, time in seen] == [0, 100_000_000, 200_000_000]


def test_sleep_and_sync_lose_nothing():
    assert len(run(5, sleep_time=100)[0]) == 5
    assert len(run(5, rate=500, sync=True)[0]) == 5
    assert len(run(5, rate=500, sync=True, ts_offset=-10_000_000)[0]) == 5


def test_messages_and_dumps(capsys):
    _, stage, _ = run(1, silent=False, dump=True, name="eye")
    assert stage.last_message.startswith("chain eye: frame 0, 3072 bytes, GREY 64x48")
    assert len(capsys.readouterr().out.splitlines()) == 3072 // 16


def test_odd_times_and_numbers_are_counted():
    looked = Identity(check_imperfect_timestamp=True, check_imperfect_offset=True)
    thinned = Identity(on_frame=lambda frame: frame.sequence not in (3, 4, 7))
    source = zcore.TestSource("GREY", SIZE, memory="memfd")
    zcore.Chain(source, thinned, looked, FakeSink()).run(frames=10)
    assert looked.facts() == {"frames_seen": 7, "imperfect_timestamps": 0, "imperfect_offsets": 2}
    looked = Identity(check_imperfect_timestamp=True)
    zcore.Chain(FakeSource("GREY", SIZE, memory="memfd"), looked, FakeSink()).run(frames=10)
    assert looked.facts()["imperfect_timestamps"] == 9  # without a datarate all are stamped 0


@pytest.mark.parametrize("options", [{"drop_probability": 1.1}, {"sleep_time": -1}, {"datarate": -1}])
def test_wrong_arguments(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Identity(**options)


def test_sink_behind_may_have_enough():
    stage = Identity()
    report = zcore.Chain(FakeSource("GREY", SIZE, memory="memfd"), stage, FakeSink(num_buffers=4)).run()
    assert report.frames == 4
