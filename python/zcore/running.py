"""Run the loops of a chain: the first in the calling thread, one more thread for what stands behind each queue."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zcore._chain import Loop, Node
from zcore.errors import StallError, make_error
from zcore.stages.base import Stage
from zcore.wiring import Wiring


class Runner:
    """The loops of one run.

    Parameters
    ----------
    wiring : Wiring
        Nodes and links.
    """

    def __init__(self, wiring: Wiring):
        self.wiring = wiring
        self.loops: list[Loop] = wiring.make_loops()
        self._failure: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.failed = ""  # name of the node that failed first
        self._lock = threading.Lock()

    def run(self, stall_timeout: float | None) -> None:
        """Run all loops to their end.

        Raises
        ------
        StallError, DeviceError, Exception
            The first failure of any loop; the others are stopped then.
        """
        threads = self.threads = [
            threading.Thread(target=self._drive, args=(loop, stall_timeout, -1), name=f"zcore chain {number}")
            for number, loop in enumerate(self.loops[1:], 1)
        ]
        try:
            for thread in threads:
                thread.start()
            with _signals() as signal_fd:
                self._drive(self.loops[0], stall_timeout, signal_fd)
                for thread in threads:
                    thread.join()
        except BaseException:  # KeyboardInterrupt in join(), or a thread that could not be started
            self.stop()
            raise
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                # Its traceback holds this frame: a name for it here would keep both, and the buffers that frames on
                # the way name, until the garbage collector comes by.
                del failure

    def _drive(self, loop: Loop, stall_timeout: float | None, signal_fd: int) -> None:
        seconds = 1e6 if stall_timeout is None else stall_timeout
        try:
            while True:
                before = self.wiring.movement()
                status, failed = loop.run(seconds, signal_fd)
                stalled = status == -errno.ETIMEDOUT and failed is None
                if not stalled or not (self.wiring.idle or self._moves_elsewhere(before)):
                    break
            if status == 0 and any(node.paused for node in loop.nodes):
                self._pause(loop)
            if status < 0:
                self._fail(self._error(-status, failed, stall_timeout), failed.name if failed is not None else "")
        except BaseException as error:
            self._fail(error)

    def _pause(self, paused: Loop) -> None:
        """End the other loops, too, except those that still carry frames of a paused stage to their end."""
        behind: set[Stage] = set()
        for stage, node in self.wiring.nodes.items():
            if node.paused:
                behind |= self.wiring.behind(stage)
        for loop, segment in zip(self.loops, self.wiring.segments, strict=True):
            if loop is not paused and not any(stage in behind for stage in segment.stages):
                loop.stop()

    def _moves_elsewhere(self, before: int) -> bool:
        return len(self.loops) > 1 and self.wiring.movement() != before

    def _fail(self, error: BaseException, name: str = "") -> None:
        with self._lock:
            if self._failure is None:
                self._failure, self.failed = error, name
        self.stop()

    def _error(self, code: int, failed: Node | None, seconds: float | None) -> BaseException:
        if failed is None and code == errno.ETIMEDOUT:
            return StallError(f"nothing happened for {seconds or 0:g} s: {self.wiring.holders()}")
        if failed is None:
            return make_error(code, "epoll_wait", "chain")
        raised = getattr(failed, "error", None)
        if raised is not None:
            raised.add_note(f"in stage {failed.name} of the chain")
            return raised  # type: ignore[no-any-return]
        stage = self.wiring.owner.get(failed.name)
        device = stage.device if stage is not None else ""
        return make_error(code, failed.failed_operation, f"{failed.name} ({device})" if device else failed.name)

    def stop(self) -> None:
        """End all loops soon, from any thread or signal handler."""
        for loop in self.loops:
            loop.stop()

    def end(self) -> None:
        """Let all sources end, from any thread or signal handler; what is on its way is carried on."""
        for loop in self.loops:
            loop.end()

    def close(self) -> None:
        """Close the loops' descriptors."""
        for loop in self.loops:
            loop.close()


@contextmanager
def _signals() -> Iterator[int]:
    """Make every signal wake the loop at once; -1 outside of the main thread, where Python takes no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield -1
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader.fileno()
    finally:
        signal.set_wakeup_fd(before)
        reader.close()
        writer.close()
