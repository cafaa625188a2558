"""The whole way on a machine without a video device: draw, convert on the CPU, write a picture.

pip install '.[cli,software]'
python examples/without_devices.py picture.png
"""

import sys

import zcore


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "picture.png"
    chain = zcore.Chain(
        zcore.TestSource("NV12", (640, 480), pattern="smpte"),
        zcore.SoftwareConvert("RGB3", (320, 240)),
        zcore.PngSink(path),
    )
    report = chain.run(frames=30)
    print(report)
    print(f"the last frame is in {path}")


if __name__ == "__main__":
    main()
