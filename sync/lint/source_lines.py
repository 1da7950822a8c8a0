"""Which line of a model's source a line of its compiled SQL came from."""

import re
from bisect import bisect_right
from difflib import SequenceMatcher

JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class SourceLines:
    """Lines count from 1. A line that a macro made belongs to the line of its call."""

    def __init__(self, source: str, compiled: str) -> None:
        self._source = source.splitlines()
        self._calls = _calls(source)
        written, made = [line.strip() for line in self._source], [x.strip() for x in compiled.splitlines()]
        self._lines: dict[int, int] = {}
        plain = [line if line and not _in_call(number, self._calls) else f"\0{number}" for number, line in
                 enumerate(written, 1)]  # fmt: skip
        matcher = SequenceMatcher(None, plain, made, autojunk=False)
        for block in matcher.get_matching_blocks():
            for step in range(block.size):
                if made[block.b + step]:
                    self._lines[block.b + step + 1] = block.a + step + 1
        self._anchors = sorted(self._lines)
        for number, text in enumerate(made, 1):
            if number not in self._lines and text:
                self._lines.setdefault(number, self._between(number, text))

    def line(self, compiled_line: int) -> int:
        if compiled_line in self._lines:
            return self._lines[compiled_line]
        return self._between(compiled_line, "")

    def _between(self, number: int, text: str) -> int:
        """Among the source lines that lie between the lines around it."""
        index = bisect_right(self._anchors, number)
        first = self._lines[self._anchors[index - 1]] + 1 if index else 1
        last = self._lines[self._anchors[index]] - 1 if index < len(self._anchors) else len(self._source)
        for line in range(first, last + 1):
            raw = self._source[line - 1].strip()
            if JINJA.search(raw) and text and _pattern(raw).fullmatch(text):
                return line
        calls = [start for start, end in self._calls if first <= start <= last or first <= end <= last]
        return calls[0] if calls else min(first, max(len(self._source), 1))


def _calls(source: str) -> list[tuple[int, int]]:
    """First and last line of each `{{ … }}`."""
    return [
        (source.count("\n", 0, match.start()) + 1, source.count("\n", 0, match.end()) + 1)
        for match in JINJA.finditer(source)
        if match.group().startswith("{{")
    ]


def _in_call(number: int, calls: list[tuple[int, int]]) -> bool:
    return any(start < number <= end for start, end in calls)


def _pattern(raw: str) -> re.Pattern[str]:
    """The line with anything in place of its Jinja."""
    return re.compile(".*".join(re.escape(part) for part in JINJA.split(raw)), re.DOTALL)
