"""Coded frames over the network: RTP, RTSP, SRT, UDP and TCP on this machine, received with PyAV."""

import itertools
import pickle
import socket
import subprocess
import sys
import threading

import pytest

av = pytest.importorskip("av")

import zcore  # noqa: E402
from mux_rig import Seen, pictures, units  # noqa: E402
from zcore.errors import NegotiationError  # noqa: E402

FAST = {"preset": "ultrafast", "tune": "zerolatency"}
FRAMES = 20


def free_port(kind=socket.SOCK_DGRAM):
    """Find a port with a free neighbour, as RTP wants."""
    while True:
        with socket.socket(socket.AF_INET, kind) as one, socket.socket(socket.AF_INET, kind) as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port % 2 and kind == socket.SOCK_DGRAM:
                continue
            try:
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Receiver:
    """Reads packets from an address in a process of its own, until it has enough or the other side is done.

    In this process it would wait for the GIL, which PyAV keeps while it connects.
    """

    CODE = """
import pickle, sys
import av
address, count, options = pickle.load(sys.stdin.buffer)
packets, codec = [], ""
try:
    with av.open(address, timeout=10, **options) as file:
        codec = file.streams.video[0].codec_context.codec.canonical_name
        for packet in file.demux(video=0):
            if packet.size:
                time = None if packet.pts is None else packet.pts * packet.time_base
                packets.append((time, packet.is_keyframe, bytes(packet)))
            if len(packets) == count:
                break
except OSError as error:
    print(error, file=sys.stderr)
pickle.dump((codec, packets), sys.stdout.buffer)
"""

    def __init__(self, address, count=FRAMES, **options):
        self.codec = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.process.stdin.write(pickle.dumps((address, count, options)))
        self.process.stdin.close()
        self.process.stdin = None

    @property
    def reads(self):
        return self.process.poll() is None

    def done(self):
        """Give what arrived."""
        try:
            content, _ = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        self.codec, packets = pickle.loads(content)
        return packets


def send(sink, codec="H264", frames=FRAMES, pace=True, source=None, **options):
    """Encode and send in real time; gives what was sent."""
    seen = Seen()
    source = source or zcore.TestSource("YUV420", (64, 48), rate=50, is_live=pace)
    if codec == "H264":
        options = {"options": FAST, "gop_size": 5, **options}
    zcore.Chain(source, zcore.SoftwareEncode(codec, **options), seen.stage, sink).run(frames=frames)
    return seen


def kernels(sent, got, codec="H264"):
    """Compare what arrived with the end of what was sent: who listens late misses the beginning."""
    if codec == "H264":
        sent, got = [units(one) for one in sent], [units(one) for one in got]
    assert got
    start = sent.index(got[0])
    assert got[1:-1] == sent[start + 1 : start + len(got) - 1]
    return start


@pytest.mark.parametrize("codec", ["H264", "VP8", "MPEG4", "HEVC"])
def test_rtp_with_a_session_description(tmp_path, codec):
    sink = zcore.MuxSink(f"rtp://127.0.0.1:{free_port()}")
    assert sink.sdp == ""
    low_delay = {"H264": FAST, "HEVC": FAST}.get(codec)
    encoder = zcore.SoftwareEncode(codec, gop_size=5, b_frames=0, options=low_delay)
    seen = Seen()
    with zcore.Chain(zcore.TestSource("YUV420", (64, 48), rate=50), encoder, seen.stage, sink) as chain:
        chain.plan()
        description = tmp_path / "stream.sdp"
        description.write_text(sink.sdp)  # it is known before the first frame is sent
        quick = {"protocol_whitelist": "file,udp,rtp", "analyzeduration": "200000"}
        receiver = Receiver(str(description), 8, format="sdp", container_options=quick)
        chain.start()
        while receiver.reads and chain.frames_done < 1000:
            chain.wait(0.05)
        chain.stop()
        chain.wait()
    got = receiver.done()
    assert receiver.codec == codec.lower()
    assert len(got) == 8
    payloads = [payload for _, _, payload in got][1:-1]  # those at the ends may be parts
    if codec in ("VP8", "MPEG4"):
        assert all(one in seen.payloads for one in payloads)
    else:
        sent = {unit for one in seen.payloads for unit in units(one, codec)}
        assert all(unit in sent for one in payloads for unit in units(one, codec))
    times = [time for time, _, _ in got if time is not None]
    steps = [float(later - before) for before, later in itertools.pairwise(times)]
    assert all(0 < step < 1 for step in steps[2:]), steps  # before, the receiver may learn of the clock


def has_srt():
    """Whether this FFmpeg was built with libsrt; that of PyAV's own wheels was not."""
    try:
        av.open("srt://", timeout=1)
    except av.error.ProtocolNotFoundError:
        return False
    except av.FFmpegError:
        return True


def test_srt_is_refused_before_the_start_where_ffmpeg_has_none():
    if has_srt():
        assert zcore.MuxSink("srt://127.0.0.1:5000").open() is None
        return
    with pytest.raises(NegotiationError, match=r"this FFmpeg was built without the protocol srt.*tcp"):
        send(zcore.MuxSink("srt://127.0.0.1:5000"))


@pytest.mark.parametrize("scheme", ["tcp", "srt"] if has_srt() else ["tcp"])
def test_mpegts_over_a_connection(scheme):
    port = free_port(socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM)
    listen = "?listen=1" if scheme == "tcp" else "?mode=listener"
    receiver = Receiver(f"{scheme}://127.0.0.1:{port}{listen}", 10**6, format="mpegts")
    wait_for_listener(scheme, port)
    seen = send(zcore.MuxSink(f"{scheme}://127.0.0.1:{port}"))
    got = receiver.done()
    assert receiver.codec == "h264"
    start = kernels(seen.payloads, [one[2] for one in got])
    if scheme == "tcp":
        assert start == 0
        assert len(got) == FRAMES
        assert [one[1] for one in got] == seen.keys


def wait_for_listener(scheme, port):
    """Wait until the kernel knows the port as one that somebody listens at."""
    table, state = ("tcp", "0A") if scheme in ("tcp", "rtsp") else ("udp", "07")
    entry = f":{port:04X} "
    for _ in range(1000):
        with open(f"/proc/net/{table}") as lines:
            if any(entry in line and line.split()[3] == state for line in lines):
                return
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens at {port}")


def test_mpegts_over_udp():
    port = free_port()
    receiver = Receiver(f"udp://127.0.0.1:{port}", 10, format="mpegts")
    wait_for_listener("udp", port)
    seen = send(zcore.MuxSink(f"udp://127.0.0.1:{port}?pkt_size=1316"), frames=60)
    kernels(seen.payloads, [one[2] for one in receiver.done()])


def test_rtsp_is_announced_and_recorded():
    port = free_port(socket.SOCK_STREAM)
    address = f"rtsp://127.0.0.1:{port}/live"
    receiver = Receiver(address, 10**6, container_options={"rtsp_flags": "listen", "listen_timeout": "10"})
    wait_for_listener("rtsp", port)
    seen = send(zcore.MuxSink(address, container_options={"rtsp_transport": "tcp"}), frames=40)
    got = receiver.done()
    assert receiver.codec == "h264"
    kernels(seen.payloads, [one[2] for one in got])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "rtsp://127.0.0.1:{}/live"])
def test_nobody_listens(address):
    place = address.format(free_port(socket.SOCK_STREAM))
    with pytest.raises(OSError, match=f"refused.*{place}") as failure:
        send(zcore.MuxSink(place), pace=False)
    assert failure.value.errno == 111


def test_other_side_hangs_up():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            peer, _ = server.accept()
            peer.recv(100)
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(OSError, match=r"(Broken pipe|reset by peer).*frames.*handed over"):
            send(
                zcore.MuxSink(f"tcp://127.0.0.1:{server.getsockname()[1]}"),
                frames=2000,
                source=pictures(size=(160, 128)),
            )
        thread.join()


def test_source_from_the_network():
    port = free_port(socket.SOCK_STREAM)
    code = f"""
import zcore
source = zcore.TestSource("YUV420", (64, 48), rate=25, is_live=False)
zcore.Chain(source, zcore.SoftwareEncode("MPEG4"), zcore.MuxSink("tcp://127.0.0.1:{port}?listen=1")).run(frames=20)
"""
    sender = subprocess.Popen([sys.executable, "-c", code])
    wait_for_listener("tcp", port)
    arrived = Seen()
    report = zcore.Chain(zcore.DemuxSource(f"tcp://127.0.0.1:{port}", "mpegts"), arrived.stage, zcore.FakeSink()).run()
    assert sender.wait(20) == 0
    assert report.frames == 20
    assert arrived.since_first == [40 * number for number in range(20)]


def test_source_that_nobody_sends_to():
    with pytest.raises(TimeoutError, match=r"Timed out: nothing came, .*; it could not be opened: 'udp://"):
        zcore.DemuxSource(f"udp://127.0.0.1:{free_port()}", "mpegts", timeout=0.2).open()
