"""One computation at a time in a thread of its own, while the window stays alive."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable

from ..core.errors import InputError, RegistrationCancelled

PAUSE_S, LEAVE_S = 0.02, 1.5
EXIT_S = 20  # the window is gone; a thread that Python ends in the middle of torch ends Slicer with an error
CLOSING = "The application is closing"


class Turn:
    """The tabs of the panel register in turns.

    Attributes:
        onChange: called when the turn is taken or given back.
    """

    def __init__(self) -> None:
        self._owner, self._reason, self.onChange = None, "", lambda: None

    def take(self, tab, reason: str) -> None:
        """A tab begins; ``reason`` tells the others why they wait."""
        self._owner, self._reason = tab, reason
        self.onChange()

    def giveBack(self) -> None:
        """It has ended."""
        self._owner = None
        self.onChange()

    def isFreeFor(self, tab) -> bool:
        """Whether no other tab is registering."""
        return self._owner is None or self._owner is tab

    def reasonFor(self, tab) -> str:
        """Why a tab must wait; "" where it need not."""
        return "" if self.isFreeFor(tab) else self._reason


class BackgroundRun:
    """Runs ``work(report)`` in a worker thread; what it reports arrives in the main thread.

    Slicer's main thread holds Python's lock while Qt waits for events, so a worker only runs while the main thread
    sleeps in Python. Hence a loop here (join for ``PAUSE_S``, deliver reports, let Qt handle events) and no timer.
    Worker code must not touch the scene; ``onReport`` may.
    """

    _active = False  # of all runs: they take turns

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue = queue.SimpleQueue()
        self._stopped = self._cancelled = False
        self._result = self._error = None

    def stop(self) -> None:
        """End soon and keep the best so far."""
        self._stopped = True

    def cancel(self) -> None:
        """End soon and leave nothing."""
        self._cancelled = True

    @property
    def ending(self) -> bool:
        """Whether it was asked to stop or cancel."""
        return self._stopped or self._cancelled

    def report(self, message) -> bool:
        """For the worker: hand a message to the main thread; False when the run shall stop.

        Raises:
            RegistrationCancelled: the run was cancelled.
        """
        self._reports.put(message)
        if self._cancelled:
            raise RegistrationCancelled("The registration was cancelled")
        return not self._stopped

    def execute(self, work: Callable, onReport: Callable, handleEvents: Callable[[], bool]):
        """Return what ``work`` returns, or raise what it raises; an error of ``onReport`` cancels it first.

        When ``handleEvents`` says that the application is closing, the work has ``LEAVE_S`` to end.

        Raises:
            RegistrationCancelled: the run was cancelled, or the application is closing.
            InputError: another run is going on: the window stays alive, and a second button was pressed.
        """
        if BackgroundRun._active:
            who, todo = "ISTN Registration", "Wait until it has ended, or cancel it"
            raise InputError(who, "another registration is running", "one at a time", "two", todo)
        BackgroundRun._active = True
        try:
            return self._execute(work, onReport, handleEvents)
        finally:
            BackgroundRun._active = False

    def _execute(self, work, onReport, handleEvents):
        if not handleEvents():
            raise RegistrationCancelled(CLOSING)
        thread = threading.Thread(target=self._work, args=(work,), name="ISTN registration", daemon=True)
        patience = None
        thread.start()
        try:
            while thread.is_alive():
                thread.join(PAUSE_S)
                self._deliver(onReport)
                if not handleEvents():
                    patience = LEAVE_S
                    raise RegistrationCancelled(CLOSING)
            self._deliver(onReport)
        except BaseException:
            self.cancel()
            thread.join(patience)
            if thread.is_alive():
                atexit.register(thread.join, EXIT_S)
            raise
        if self._error is not None:
            raise self._error
        if self._cancelled:
            raise RegistrationCancelled("The registration was cancelled")
        return self._result

    def _work(self, work) -> None:
        try:
            self._result = work(self.report)
        except BaseException as error:  # noqa: BLE001  whatever it is, the main thread raises it again
            self._error = error

    def _deliver(self, onReport) -> None:
        while not self._reports.empty():
            onReport(self._reports.get())
