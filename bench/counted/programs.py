"""The zcore programs that are counted: a camera's frames on a display, 640x480 XR24, without a copy.

``python -m bench.counted.programs chain|loop CAMERA CARD RATE BUFFERS FRAMES...`` prints the processor time of each run
in ns.
"""

import sys
import time
from contextlib import contextmanager

import zcore

SIZE = (640, 480)


@contextmanager
def chain(capture, display):
    """Frames move in the native loop; Python sets it up and waits."""
    with zcore.Chain(capture, display) as whole:

        def run(frames):
            report = whole.run(frames=frames, require_zero_copy=True)
            assert report.zero_copy
            return report.frames

        yield run


@contextmanager
def loop(capture, display):
    """Frames pass through Python: what a program does that wants to look at each."""
    with capture, display:

        def run(frames):
            shown = 0
            for frame in capture.frames(frames):
                display.show(frame)
                shown += 1
            del frame
            display.stop()
            capture.stop()
            return shown

        yield run


def main(argv):
    """Run one of them; every frame must be shown."""
    name, camera, card, *numbers = argv
    rate, buffers, *counts = map(int, numbers)
    capture = zcore.Capture(camera, format="XR24", size=SIZE, rate=rate, buffers=buffers)
    with {"chain": chain, "loop": loop}[name](capture, zcore.Display(card, mode=SIZE)) as run:
        for frames in counts:
            start = time.process_time_ns()
            shown = run(frames)
            print(time.process_time_ns() - start)
            if shown != frames:
                raise SystemExit(f"{shown} of {frames} frames were shown")


if __name__ == "__main__":
    main(sys.argv[1:])
