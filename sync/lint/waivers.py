"""`-- fsync: allow FS002 because …`, on a line or above it."""

import re
from typing import NamedTuple

from sync.errors import did_you_mean

WAIVER = re.compile(r"(?:--|\{#-?|/\*|\#)\s*fsync:\s*(?P<words>[^\n]*?)\s*(?:-?#\}|\*/)?\s*$", re.MULTILINE)
FORM = re.compile(r"allow\s+(?P<codes>FS\d+(?:\s*,\s*FS\d+)*)(?:\s+because\b\s*(?P<reason>.*))?$", re.I)
COMMENT = re.compile(r"^\s*(--|\{#|/\*|#)")


class Waiver(NamedTuple):
    """`covers` is the line that the comment speaks of: its own, or the next that is not a comment."""

    line: int
    covers: int
    codes: tuple[str, ...]
    fault: str | None = None


def read_waivers(text: str, known: frozenset[str]) -> list[Waiver]:
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        match = WAIVER.search(line)
        if match:
            found.append(_waiver(number, _covered(lines, number), match["words"], known))
    return found


def _covered(lines: list[str], number: int) -> int:
    if not COMMENT.match(lines[number - 1]):
        return number
    for later in range(number, len(lines)):
        if lines[later].strip() and not COMMENT.match(lines[later]):
            return later + 1
    return number


def _waiver(number: int, covers: int, words: str, known: frozenset[str]) -> Waiver:
    form = FORM.match(words)
    if form is None:
        return Waiver(number, covers, (), "it reads `fsync: allow FS001 because …`")
    codes = tuple(code.strip().upper() for code in form["codes"].split(","))
    for code in codes:
        if code not in known:
            return Waiver(number, covers, (), f"there is no rule {code}{did_you_mean(code, known)}")
    if not form["reason"]:
        return Waiver(number, covers, (), f"it gives no reason: `fsync: allow {', '.join(codes)} because …`")
    return Waiver(number, covers, codes)
