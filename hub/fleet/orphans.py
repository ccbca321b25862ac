"""No process outlives the one that started it, whatever that one died of."""

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """End this process when its parent ends.

    On Linux the kernel sends SIGKILL. Everywhere, standard input is a pipe that only the parent
    holds open: its end is the parent's end, also when that came before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    exit_at_end_of_input()


def exit_at_end_of_input() -> None:
    """End this process when standard input ends, whatever its event loop is doing."""
    threading.Thread(target=_read_to_the_end, name="parent-watch", daemon=True).start()


def _read_to_the_end() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)
