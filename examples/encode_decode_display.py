"""Camera, converter, encoder, decoder, display, and a file of the coded stream: no pixel is copied on the way.

    python examples/encode_decode_display.py /dev/video0 out.fwht --converter vim2m --size 640x360

The converters are for formats that do not meet: without --converter the devices must speak the same ones. It needs the
display for itself: run it on a text console, without a desktop.
"""

import argparse
from itertools import pairwise

import zcore


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camera", help="capture device")
    parser.add_argument("file", help="where the coded stream goes")
    parser.add_argument("--converter", help="mem-to-mem device, or its driver's name")
    parser.add_argument("--codec", default="FWHT")
    parser.add_argument("--display", help="card or driver's name; left out: the first with a connected display")
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))))
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args()

    converters = [zcore.Convert(options.converter) for _ in range(2)] if options.converter else []
    encode, decode, tee = zcore.Encode(codec=options.codec), zcore.Decode(codec=options.codec), zcore.Tee()
    before = [zcore.Capture(options.camera, size=options.size), *converters[:1], encode, tee]
    behind = [tee, decode, *converters[1:], zcore.Display(options.display)]
    links = [*pairwise(before), (tee, zcore.FileSink(options.file)), *pairwise(behind)]
    print(zcore.Chain(links=links).run(frames=options.frames, require_zero_copy=True))


if __name__ == "__main__":
    main()
