"""Run a pipeline string, and say first how its frames will be shared.

python examples/pipeline.py                                               test pictures
python examples/pipeline.py "v4l2src ! 'video/x-raw,width=640' ! kmssink"  a camera and a display
"""

import argparse
import sys

import zcore

TEST = "videotestsrc ! video/x-raw,format=NV12,width=320,height=240 ! tee name=t t. ! queue ! fakesink t. ! fakesink"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", nargs="?", default=TEST)
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()

    try:
        chain = zcore.launch(options.pipeline)
    except zcore.LaunchError as error:
        sys.exit(str(error))
    with chain:
        print(chain.plan())  # for each link: format, memory, buffers, and what was rejected
        print(chain.run(frames=options.frames))


if __name__ == "__main__":
    main()
