"""Write raw frames to a file, plane after plane, without row padding.

python examples/raw_file.py frames.raw                       test pictures
python examples/raw_file.py frames.raw --device /dev/video0  a camera
"""

import argparse

import zcore


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", default="frames.raw")
    parser.add_argument("--device", help="capture device; left out: test pictures")
    parser.add_argument("--format", default="NV12")
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()

    if options.device:
        source = zcore.Capture(options.device, format=options.format)
    else:
        source = zcore.TestSource(options.format, (320, 240))
    sink = zcore.FileSink(options.path)
    report = zcore.Chain(source, sink).run(frames=options.frames)
    print(f"{report.frames} frames, {sink.bytes_written} bytes in {options.path}: {report.links[0].caps}")


if __name__ == "__main__":
    main()
