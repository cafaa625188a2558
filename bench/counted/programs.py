"""The zcore programs that are counted: a camera's frames on a display, 640x480 XR24, without a copy.

``python -m bench.counted.programs chain|loop CAMERA CARD FRAMES RATE BUFFERS``
"""

import sys

import zcore

SIZE = (640, 480)


def chain(camera, card, frames, rate, buffers):
    """Frames move in the native loop; Python sets it up and waits."""
    capture = zcore.Capture(camera, format="XR24", size=SIZE, rate=rate, buffers=buffers)
    report = zcore.Chain(capture, zcore.Display(card, mode=SIZE)).run(frames=frames, require_zero_copy=True)
    assert report.zero_copy
    return report.frames


def loop(camera, card, frames, rate, buffers):
    """Frames pass through Python: what a program does that wants to look at each."""
    shown = 0
    with (
        zcore.Capture(camera, format="XR24", size=SIZE, rate=rate, buffers=buffers) as capture,
        zcore.Display(card, mode=SIZE) as screen,
    ):
        for frame in capture.frames(frames):
            screen.show(frame)
            shown += 1
    return shown


def main(argv):
    """Run one of them; it must have shown every frame."""
    name, camera, card, *numbers = argv
    frames, rate, buffers = map(int, numbers)
    shown = {"chain": chain, "loop": loop}[name](camera, card, frames, rate, buffers)
    if shown != frames:
        raise SystemExit(f"{shown} of {frames} frames were shown")


if __name__ == "__main__":
    main(sys.argv[1:])
