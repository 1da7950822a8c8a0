"""How much of the machine's processors a command takes."""

import os
from contextlib import suppress


def step_back() -> None:
    """Take only what others leave, from now on and in threads to come; else, where that cannot be, less."""
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    if hasattr(os, "nice"):
        os.nice(10)
