"""A report as lines for a person, as JSON, or as workflow commands that annotate a pull request."""

from typing import Any

from sync.lint.finding import Finding, Report


def as_text(report: Report) -> str:
    lines = [f"{one.file}:{one.line}: {one.code} {one.severity}: {one.message}" for one in report.findings]
    models = "1 model" if report.models == 1 else f"{report.models:,} models"
    return "\n".join([*lines, f"{models}: {_count(report)}"])


def _count(report: Report) -> str:
    if not report.findings:
        return "nothing found"
    counts = []
    for severity in ("error", "warning"):
        number = sum(one.severity == severity for one in report.findings)
        if number:
            counts.append(f"{number} {severity}" + ("s" if number > 1 else ""))
    return ", ".join(counts)


def as_json(report: Report) -> dict[str, Any]:
    return {"models": report.models, "findings": [one._asdict() for one in report.findings]}


def as_github(report: Report) -> str:
    return "\n".join(_command(one) for one in report.findings)


def _command(finding: Finding) -> str:
    place = f"file={_property(finding.file)},line={finding.line},title={_property(finding.code)}"
    return f"::{finding.severity} {place}::{_data(finding.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
