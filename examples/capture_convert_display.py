"""Camera to converter to display: frames travel as DMA-BUF descriptors and no pixel is copied.

    python examples/capture_convert_display.py /dev/video0 /dev/video1 --display /dev/dri/card0

It needs the display for itself: run it on a text console, without a desktop.
"""

import argparse

import zcore


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camera", help="capture device")
    parser.add_argument("converter", help="mem-to-mem device, or its driver's name")
    parser.add_argument("--display", help="card or driver's name; left out: the first with a connected display")
    parser.add_argument("--camera-format", help="what the camera gives (fourcc)")
    parser.add_argument("--display-format", help="what the converter gives (fourcc)")
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args()

    chain = zcore.Chain(
        zcore.Capture(options.camera, format=options.camera_format),
        zcore.Convert(options.converter, format=options.display_format),
        zcore.Display(options.display),
    )
    report = chain.run(frames=options.frames, require_zero_copy=True)
    print(f"{report.frames} frames in {report.seconds:.1f} s")
    for link in report.links:
        print(f"{link.source} -> {link.sink}: {link.caps}, {link.memory}, {link.copied_bytes} bytes copied")


if __name__ == "__main__":
    main()
