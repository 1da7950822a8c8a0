from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """`file` as the project's folder sees it; `line` counts from 1."""

    code: str
    severity: Severity
    model: str
    file: str
    line: int
    message: str


class Hit(NamedTuple):
    """What a rule found: a line of the compiled SQL, or of the source where the SQL no longer shows it."""

    line: int
    message: str
    in_source: bool = False


class Report(NamedTuple):
    findings: tuple[Finding, ...]
    models: int

    def fails(self, strict: bool = False) -> bool:
        return any(strict or finding.severity == "error" for finding in self.findings)
