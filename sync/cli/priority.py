"""How much of the machine's processors a command takes."""

import os
from contextlib import suppress
from pathlib import Path

# Where Linux shares processors out among sessions first, and by priority only within one.
_AUTOGROUP = Path("/proc/self/autogroup")


def step_back() -> None:
    """Take only what others leave, from now on and in threads to come; else, where that cannot be, less."""
    # A session that is not ours alone keeps its share: that of a shell, say.
    if _AUTOGROUP.exists() and os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text("19")
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    if hasattr(os, "nice"):
        os.nice(10)
