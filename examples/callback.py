"""Call a Python function with each frame; here it measures how bright they are.

python examples/callback.py                       test pictures
python examples/callback.py --device /dev/video0  a camera
"""

import argparse

import zcore


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="capture device; left out: test pictures")
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()

    source = zcore.Capture(options.device) if options.device else zcore.TestSource("GREY", (320, 240))
    means = []

    def measure(frame):
        # The frame goes back to its device when this returns. Keep frame.array().copy() if you need the pixels later.
        means.append(float(frame.array().mean()))

    report = zcore.Chain(source, zcore.Callback(measure)).run(frames=options.frames)
    print(f"{report.frames} frames, mean {min(means):.1f} to {max(means):.1f}")


if __name__ == "__main__":
    main()
