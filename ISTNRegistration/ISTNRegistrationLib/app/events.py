"""Qt's events during a computation, and whether the application is to end."""

from __future__ import annotations

import qt


def handleEvents() -> bool:
    """Let Qt handle what has come; False once the application is to end.

    Closing the last window, and ``slicer.util.exit``, end all event loops, also those that begin later: they return -1.
    ``aboutToQuit`` comes only when the slot that waits for the computation has returned.
    """
    loop = qt.QEventLoop()
    qt.QTimer.singleShot(0, loop.quit)
    return loop.exec() != -1
