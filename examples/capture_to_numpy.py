"""Look at camera frames as numpy arrays, without a copy.

python examples/capture_to_numpy.py /dev/video0 --format YUYV --size 640x480
"""

import argparse

import zcore


def size(text):
    width, height = text.split("x")
    return int(width), int(height)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", nargs="?", default="/dev/video0", help="see 'zcore devices'")
    parser.add_argument("--format", help="fourcc; left out: what the camera has now")
    parser.add_argument("--size", type=size, metavar="WxH", help="left out: what the camera has now")
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()

    with zcore.Capture(options.device, format=options.format, size=options.size) as camera:
        for frame in camera.frames(options.frames):
            pixels = frame.array()  # a read-only view of the driver's memory; it pins the frame
            print(f"{frame.sequence:5} {frame.timestamp_ns / 1e9:.6f} {pixels.shape} mean {pixels.mean():.1f}")
            if frame.dropped:
                print(f"      the driver dropped {frame.dropped} frame(s) before this one")


if __name__ == "__main__":
    main()
