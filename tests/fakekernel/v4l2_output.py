"""A fake V4L2 output device. The test is the cable: it takes the frames out."""

from .v4l2 import FakeV4l2
from .v4l2_queue import OUTPUT, OUTPUT_MPLANE

CAP_OUTPUT, CAP_OUTPUT_MPLANE = 0x2, 0x2000


class FakeOutput(FakeV4l2):
    """An output device. ``show()`` puts the oldest frame out; with ``auto`` frames go out as they come.

    Attributes
    ----------
    keeps : int
        How many buffers it never gives back while it streams: the one that it shows on and on.
    shown : list of bytes
        What went out.
    """

    def __init__(self, kernel, path="/dev/video2", width=64, height=16, code="YUYV", planes=None, multiplanar=False):
        self.auto = False
        self.keeps = 0
        self.shown = []
        self.times = []
        type = OUTPUT_MPLANE if multiplanar else OUTPUT
        super().__init__(
            kernel, path, [type], width, height, code, planes, CAP_OUTPUT_MPLANE if multiplanar else CAP_OUTPUT
        )
        self.output = self.queues[type]
        self.frame_sizes = [(16, 1920, 2, 16, 1080, 2)]

    def show(self):
        """Put the oldest frame out and give its buffer back."""
        with self.kernel.lock:
            buffer = self.output.take()
            self.shown.append(b"".join(self.output.read(buffer)))
            self.times.append(buffer.timestamp_ns)
            self.output.finish(buffer, bytesused=[p.bytesused for p in buffer.planes], timestamp_ns=buffer.timestamp_ns)
            self.work(automatic=False)

    def work(self, automatic=True):
        while automatic and self.auto and self.output.streaming and len(self.output.queued) > self.keeps:
            self.show()
        for file in self.files:
            file.set_writable(bool(self.output.done or self.output.error or not self.output.streaming))
