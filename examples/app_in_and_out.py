"""Frames from Python into a chain and out of it again, without a copy on either side.

python examples/app_in_and_out.py
"""

import threading

import zcore

FRAMES = 10


def draw(source):
    for number in range(FRAMES):
        frame = source.acquire()  # an empty buffer of the chain
        frame.array(write=True)[:] = number
        source.push(frame, timestamp_ns=number * 1_000_000_000 // 30)
    source.end_of_stream()


def main():
    chain = zcore.launch(
        "appsrc name=in caps=video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1 ! queue ! appsink name=out"
    )
    with chain:
        chain.start()
        painter = threading.Thread(target=draw, args=(chain["in"],))
        painter.start()
        for frame in chain["out"]:
            print(frame.sequence, f"{frame.timestamp_ns / 1e9:.3f} s, mean {frame.array().mean():.0f}")
            del frame  # the buffer goes back to the source
        painter.join()
        print(chain.wait())


if __name__ == "__main__":
    main()
