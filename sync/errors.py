from collections.abc import Iterable


class FsyncError(Exception):
    """A mistake or failure that a person can act on: what, where and what to do, in one line."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the known names when none is near, or nothing when there are none."""
    from difflib import get_close_matches

    names = sorted(set(known))
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f" (did you mean '{near[0]}'?)"
    if not names:
        return ""
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f" (known: {shown})"
