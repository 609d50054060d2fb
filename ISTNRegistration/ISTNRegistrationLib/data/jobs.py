"""One kind of work on many items in several processes; a process that dies costs its item, not the others.

Processes are spawned, as Windows and macOS do it: what is sent to them is pickled, and nothing is shared. (The standard
library's ProcessPoolExecutor ends as a whole with its first process that dies.)
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

import SimpleITK as sitk
import torch

from ..core.errors import InputError

END_S = 5.0  # how long a process that was told to end may clean up


def use_threads(count: int | None) -> None:
    """Let torch and ITK use so many CPU threads in this process; None: what they choose themselves."""
    if count is not None:
        torch.set_num_threads(count)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)


def shared_threads(threads: int | None, jobs: int) -> int:
    """CPU threads of each of ``jobs`` processes, of ``threads`` (None: those of torch) in all."""
    return max(1, (threads or torch.get_num_threads()) // jobs)


def results_of(work: Callable, items: list, jobs: int, threads: int | None) -> Iterator[tuple[int, Any]]:
    """Number and result of each item: one after the other in this process, or with several ``jobs`` in as many.

    Args:
        threads: CPU threads in all; with one job those of this process are left as they are.
    """
    if jobs == 1:
        return ((number, work(item)) for number, item in enumerate(items))
    return in_processes(work, items, jobs, shared_threads(threads, jobs))


def in_processes(work: Callable, items: list, jobs: int, threads: int) -> Iterator[tuple[int, Any]]:
    """Number and result of each item, in the order in which they are done.

    Where a process died, the result is an InputError that says so. When the caller stops (Ctrl-C, an exception),
    the processes are ended and what they were writing is taken away.

    Args:
        work: can be pickled; a process calls its own copy with one item after the other.
        jobs: how many processes at most.
        threads: CPU threads of each process.

    Raises:
        Exception: what ``work`` raises.
    """
    sent, waiting = pickle.dumps(work), deque(enumerate(items))
    idle, busy = [], {}
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                worker = idle.pop() if idle else _Worker(sent, threads)
                busy[worker] = waiting.popleft()
                worker.begin(busy[worker][1])
            for worker in _ready(busy):
                number, result = busy.pop(worker)[0], worker.result()
                idle += [] if worker.died else [worker]
                yield number, result
    finally:
        for worker in (*idle, *busy):
            worker.end()


def _ready(busy: dict) -> list:
    connections = {worker.connection: worker for worker in busy}
    return [connections[connection] for connection in wait(list(connections))]


class _Worker:
    """A process, seen from the one that started it."""

    def __init__(self, work: bytes, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.died = False
        self._process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, item) -> None:
        with suppress(OSError):  # it is dead: ``result`` says so
            self.connection.send(item)

    def result(self):
        """What the process sent; raises what the work raised."""
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            self.died = True
            self._process.join(END_S)
            got = f"exit code {self._process.exitcode}"
            self.end()
            return InputError("Process", "it ended before the pair was done", "a result", got, "Try fewer --jobs")
        if isinstance(result, Exception):
            raise result
        return result

    def end(self) -> None:
        self._process.terminate()
        self._process.join(END_S)
        self._process.kill()
        self.connection.close()


def _serve(connection, work: bytes, threads: int) -> None:
    """Do what comes until the other end is closed; Ctrl-C is the other process's business, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the files of a half-done item are taken away
    use_threads(threads)
    call = pickle.loads(work)
    with suppress(EOFError, OSError):
        while True:
            item = connection.recv()
            try:
                result = call(item)
            except Exception as error:  # a fault of ours: raised in the first process
                result = error
            connection.send(result)
