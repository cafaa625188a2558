"""The planner looks at the whole chain, asks the devices, and learns from their answers."""

import pytest

from planner_rig import RigConvert, RigSink, RigSource
from zcore.errors import NegotiationError, ZeroCopyError
from zcore.formats import find
from zcore.graph import Graph
from zcore.negotiate import Planner
from zcore.stages.base import Sizes
from zcore.stages.flow import CapsFilter, MayConvert, Queue, Tee


def plan_row(*stages, **options):
    return Planner(Graph.of_row(stages), **options).plan()


def plan_links(*links, **options):
    return Planner(Graph([], links), **options).plan()


def carried(plan):
    return [str(link.caps.format) for link in plan]


def test_first_common_format():
    plan = plan_row(RigSource("YUYV NV12"), RigSink("NV12 YUYV"))
    assert carried(plan) == ["YUYV"]
    assert plan.zero_copy
    assert plan[0].memory == "dmabuf"
    assert plan.tried == 1


def test_present_format_goes_before_the_list():
    assert carried(plan_row(RigSource("NV12 YUYV", present="YUYV"), RigSink("NV12 YUYV"))) == ["YUYV"]


def test_colours_go_before_memory():
    plan = plan_row(RigSource("YUYV GREY RGBP XR24", present="YUYV"), RigSink("GREY RGBP XR24"))
    assert carried(plan) == ["BGRx"]


@pytest.mark.parametrize("left", ["RGBP", "GREY"])
def test_camera_that_was_left_at_poor_colours(left):
    source = RigSource("YUYV GREY RGBP XR24", present=left)
    assert carried(plan_row(source, RigSink("GREY RGBP XR24"))) == ["BGRx"]
    assert carried(plan_row(RigSource("GREY Y10", present="GREY"), RigSink("Y10 GREY"))) == ["GREY"]


def test_refused_format_is_not_taken_and_said():
    source = RigSource("YUYV NV12", fails=["YUYV"])
    plan = plan_row(source, RigSink("YUYV NV12"))
    assert carried(plan) == ["NV12"]
    assert plan.tried == 2
    assert any("does not set YUYV after all" in why for _, why in plan[0].rejected)


def test_refusing_sink_is_learned_from():
    plan = plan_row(RigSource("YUYV NV12"), RigSink("YUYV NV12", fails=["YUYV"]))
    assert carried(plan) == ["NV12"]


def test_nothing_in_common_names_both_lists():
    with pytest.raises(ZeroCopyError, match=r"no common format; rigsource\d+ gives YUYV, rigsink\d+ takes NV12"):
        plan_row(RigSource("YUYV"), RigSink("NV12"), require_zero_copy=True)


def test_conversion_on_the_cpu_is_put_in_with_its_reason():
    pytest.importorskip("av")
    source, sink = RigSource("YUYV"), RigSink("NV12 GREY")
    plan = plan_row(source, sink)
    assert carried(plan) == ["YUYV", "NV12"]  # grey would lose the colours
    assert not plan.zero_copy
    assert plan.copies == 1
    assert [link.zero_copy for link in plan] == [True, False]
    assert "gives YUYV" in plan[1].inserted
    assert "takes NV12, GREY" in plan[1].inserted
    assert "put in by the plan" in str(plan)
    plan.close()


def test_format_that_no_software_reads_is_refused():
    with pytest.raises(NegotiationError, match="no common format"):
        plan_row(RigSource("MT21"), RigSink("NV12"))


def test_rows_that_the_sink_wants():
    plan = plan_row(RigSource("YUYV", (100, 8)), RigSink("YUYV", input_align=256))
    assert plan[0].caps.memory_planes == ((256 * 8, 256),)


def test_alignment_of_several_sinks():
    tee = Tee()
    source = RigSource("YUYV", (100, 8))
    plan = plan_links((source, tee), (tee, RigSink("YUYV", alignment=96)), (tee, RigSink("YUYV", alignment=64)))
    assert plan[0].caps.memory_planes[0][1] == 384 // 2 or plan[0].caps.memory_planes[0][1] % 192 == 0


def test_rows_that_cannot_be_had_are_copied_row_by_row():
    pytest.importorskip("av")
    source = RigSource("YUYV", (100, 8))
    source.set_output = lambda fmt, size, stride=0: type(source).set_output(source, fmt, size)
    plan = plan_row(source, RigSink("YUYV", input_align=256))
    assert not plan.zero_copy
    assert "gives rows of (200,) bytes" in plan[1].inserted
    assert "wants (256,)" in plan[1].inserted
    plan.close()
    with pytest.raises(ZeroCopyError, match=r"gives rows of \(200,\) bytes, rigsink\d+ wants \(256,\)"):
        plan_row(source, RigSink("YUYV", input_align=256), require_zero_copy=True)


def test_import_that_is_refused_is_copied_with_its_reason():
    plan = plan_row(RigSource("YUYV", roles="export"), RigSink("YUYV", refuses=["import"]))
    assert plan[0].memory == "mmap"
    assert "VIDIOC_QBUF: [EINVAL]" in plan[0].reason
    with pytest.raises(ZeroCopyError, match="EINVAL"):
        plan_row(RigSource("YUYV", roles="export"), RigSink("YUYV", refuses=["import"]), require_zero_copy=True)


def test_other_direction_is_found():
    source = RigSource("YUYV")
    plan = plan_row(source, RigSink("YUYV", refuses=[f"rig:{source.name}"]))
    assert plan[0].zero_copy
    assert plan[0].allocator.startswith("rig:rigsink")
    assert [way for way, _ in plan[0].rejected] == ["dmabuf"]


def test_few_formats_are_asked_when_all_fail_alike():
    source = RigSource("YUYV NV12 XR24 RGBP RGB3 BGR3 GREY YU12 UYVY VYUY", roles="export")
    plan = plan_row(source, RigSink("YUYV NV12 XR24 RGBP RGB3 BGR3 GREY YU12 UYVY VYUY", refuses=["import"]))
    assert carried(plan) == ["YUYV"]
    assert source.set_calls <= 8


def test_too_few_buffers():
    plan = plan_row(RigSource("YUYV", grants=2), RigSink("YUYV", holds=4))
    assert any("too few buffers" in why and "granted 2 of" in why for _, why in plan[0].rejected)
    assert plan[0].allocator.startswith("rig:rigsink")


def test_buffers_are_counted_and_said():
    queue = Queue(max_size_buffers=5)
    plan = plan_row(RigSource("YUYV", holds=2), queue, RigSink("YUYV", holds=2))
    keeps = dict(plan[0].keeps)
    assert keeps[queue.name] == queue.share == 5
    assert plan[0].buffers == sum(keeps.values()) == 12
    assert f"{queue.name} 5" in str(plan)


def test_queue_without_limits_shares_what_is_left():
    queues = [Queue(0, 0, 0), Queue(0, 0, 0)]
    plan = plan_row(RigSource("YUYV"), *queues, RigSink("YUYV"))
    assert plan[0].buffers <= 32
    assert [queue.share for queue in queues] == [13, 13]


def test_filter_decides():
    plan = plan_row(RigSource("YUYV NV12"), CapsFilter("video/x-raw,format=NV12"), RigSink("YUYV NV12"))
    assert carried(plan) == ["NV12"]


def test_filter_with_size():
    sizes = Sizes.of((640, 480), (1280, 720))
    source = RigSource("YUYV", sizes=sizes)
    plan = plan_row(source, CapsFilter("video/x-raw,width=1280,height=720"), RigSink("YUYV"))
    assert plan[0].caps.size == (1280, 720)


def test_filter_with_a_range_of_sizes():
    source = RigSource("YUYV", (640, 480), sizes=Sizes(((16, 4096, 2, 16, 4096, 2),)))
    plan = plan_row(source, CapsFilter("video/x-raw,width=[800,1000],height=600"), RigSink("YUYV"))
    assert plan[0].caps.size == (800, 600)


def test_filter_that_asks_for_dmabuf_forbids_copies():
    caps = "video/x-raw(memory:DMABuf),format=YUYV"
    with pytest.raises(NegotiationError, match="as memory:DMABuf asks"):
        plan_row(
            RigSource("YUYV", roles="export"),
            CapsFilter(caps.replace("YUYV", "YUY2")),
            RigSink("YUYV", refuses=["import"]),
        )


def test_filter_that_nothing_passes():
    with pytest.raises(NegotiationError, match=r"gives YUYV.*capsfilter\d+"):
        plan_row(RigSource("YUYV"), CapsFilter("video/x-raw,format=NV12"), RigSink("YUYV"))


def test_converter_in_the_middle():
    plan = plan_row(RigSource("BGR3"), RigConvert("BGR3 RGB3", "RGBP XR24"), RigSink("XR24 RGBP"))
    assert carried(plan) == ["BGR", "BGRx"]


def test_converter_that_does_not_scale_after_all():
    sizes = Sizes(((16, 4096, 1, 16, 4096, 1),))
    convert = RigConvert("YUYV", "YUYV", scales=True, sizes=sizes)
    given = convert.set_output

    def refuse(fmt, size, bytesperline=0):
        if size != convert.input_size:
            raise NegotiationError(f"{convert.name} does not scale")
        return given(fmt, size, bytesperline)

    convert.set_output = refuse
    source = RigSource("YUYV", (640, 480), sizes=Sizes.of((640, 480), (320, 240)))
    plan = plan_row(source, convert, RigSink("YUYV", sizes=Sizes.of((320, 240))))
    assert [link.caps.size for link in plan] == [(320, 240), (320, 240)]


def test_plan_is_the_same_every_time():
    def once():
        source = RigSource("YUYV NV12 XR24 RGBP")
        plan = plan_row(source, RigConvert("RGBP XR24 NV12", "NV12 XR24 RGBP"), RigSink("XR24 NV12 RGBP"))
        return carried(plan)

    assert len({tuple(once()) for _ in range(5)}) == 1


def test_plan_as_data_and_graph():
    queue, tee = Queue(), Tee()
    source, one, two = RigSource("YUYV", roles="export"), RigSink("YUYV"), RigSink("YUYV", refuses=["import"])
    plan = plan_links((source, tee), (tee, queue), (queue, one), (tee, two))
    data = plan.to_dict()
    assert data["copies"] == 1
    assert [link["zero_copy"] for link in data["links"]] == [True, False]
    assert data["links"][0]["through"] == [tee.name, queue.name]
    dot = plan.to_dot()
    assert dot.startswith("digraph")
    assert "color=red" in dot
    assert plan.to_json().startswith("{")


def test_alternatives_say_why_not():
    source, sink = RigSource("YUYV NV12 XR24 RGBP", present="XR24"), RigSink("XR24 RGBP GREY")
    plan = plan_row(source, sink)
    why = dict(plan[0].alternatives)
    assert why == {
        "YUYV": f"not accepted by {sink.name}",
        "NV12": f"not accepted by {sink.name}",
        str(find("GREY")): f"not offered by {source.name}",
        str(find("RGBP")): "the source is set to something else now",
    }
    assert f"rejected YUYV, NV12: not accepted by {sink.name}" in str(plan)


def test_alternatives_name_modifiers():
    source, sink = RigSource("NV12 MT21"), RigSink("NV12")
    why = dict(plan_row(source, sink)[0].alternatives)
    assert why == {str(find("MT21")): f"tiled, and no modifier is known for it: {sink.name} would take it for linear"}


def any_size(formats, **options):
    return RigSource(formats, (640, 480), sizes=Sizes(((16, 4096, 2, 16, 4096, 2),)), **options)


def test_filters_on_both_sides_of_a_possible_conversion():
    pytest.importorskip("av")
    before, behind = CapsFilter("video/x-raw,format=NV12,width=64,height=48"), CapsFilter("video/x-raw,format=RGB")
    mark = MayConvert(name="here")
    plan = plan_row(any_size("YUYV NV12"), before, mark, behind, RigSink(None))
    assert [(str(link.caps.format), link.caps.size) for link in plan] == [("NV12", (64, 48)), ("RGB", (64, 48))]
    assert plan[0].sink.name == "here"
    assert [stage.name for stage in plan[0].branch.passing] == [before.name]
    assert [stage.name for stage in plan[1].branch.passing] == [behind.name]
    plan.close()


def test_possible_conversion_that_is_not_needed_costs_nothing():
    plan = plan_row(any_size("YUYV NV12"), CapsFilter("video/x-raw,format=NV12"), MayConvert(), RigSink("NV12"))
    assert len(plan) == 1
    assert plan.zero_copy


def test_scaling_at_the_mark():
    pytest.importorskip("av")
    before, behind = (
        CapsFilter("video/x-raw,format=NV12,width=64,height=48"),
        CapsFilter("video/x-raw,width=128,height=96"),
    )
    plan = plan_row(any_size("YUYV NV12"), before, MayConvert(), behind, RigSink(None))
    assert [(str(link.caps.format), link.caps.size) for link in plan] == [("NV12", (64, 48)), ("NV12", (128, 96))]
    plan.close()


def test_conversion_before_a_tee_is_made_behind_it():
    pytest.importorskip("av")
    tee, source = Tee(), RigSource("YUYV")
    plan = plan_links((source, m := MayConvert()), (m, tee), (tee, RigSink("NV12")), (tee, RigSink("YUYV")))
    assert carried(plan) == ["YUYV", "YUYV", "NV12"]
    assert plan.copies == 1
    plan.close()


def test_filter_that_the_source_cannot_do_is_done_by_a_conversion():
    pytest.importorskip("av")
    plan = plan_row(RigSource("YUYV"), CapsFilter("video/x-raw,format=NV12"), RigSink("NV12"))
    assert carried(plan) == ["YUYV", "NV12"]
    plan.close()
