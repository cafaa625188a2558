"""Record a camera as MP4, with the encoder of a device, or in software where there is none.

python examples/record_mp4.py out.mp4                       test pictures
python examples/record_mp4.py out.mp4 --device /dev/video0  a camera
"""

import argparse

import zcore


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", default="out.mp4", help="the ending tells the container")
    parser.add_argument("--device", help="capture device; left out: test pictures")
    parser.add_argument("--codec", default="H264")
    parser.add_argument("--bitrate", type=int, default=2_000_000)
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()

    if options.device:
        source = zcore.Capture(options.device)
    else:
        source = zcore.TestSource("YUV420", (640, 480), rate=25, is_live=False)
    encoder = zcore.Encode(codec=options.codec, bitrate=options.bitrate, fallback="software")
    sink = zcore.MuxSink(options.path)
    with zcore.Chain(source, encoder, sink) as chain:
        print(chain.plan())
        report = chain.run(frames=options.frames)
    print(f"{report.frames} frames in {options.path}: {sink.facts()}")


if __name__ == "__main__":
    main()
