"""A report as lines for a person, as JSON, or as workflow commands that annotate a pull request."""

from typing import TYPE_CHECKING, Any

from sync.lint.finding import Finding, Report
from sync.words import counted

if TYPE_CHECKING:
    from sync.lint.time_travel import Difference, TimeTravel


def as_text(report: Report) -> str:
    lines = [f"{one.file}:{one.line}: {one.code} {one.severity}: {one.message}" for one in report.findings]
    models = counted(report.models, "model")
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


def travel_as_text(travel: "TimeTravel") -> str:
    lines = [
        f"{travel.view} as of {instant}: {counted(rows, 'row')}" for instant, rows in travel.compared.items()
    ]
    if not travel.differing:
        return "\n".join([*lines, "the same then and now"])
    lines += [_difference(one) for one in travel.differences]
    return "\n".join([*lines, f"{counted(travel.differing, 'row')} not the same then and now"])


def _difference(one: "Difference") -> str:
    keys = ", ".join(f"{name}={value}" for name, value in one.key.items())
    return (
        f"  {keys} at {one.event_timestamp}, {one.feature or 'the row'}: "
        f"{_value(one.then)} as of {one.instant}, {_value(one.now)} now"
    )


def _value(value: str | None) -> str:
    return "NULL" if value is None else value


def travel_as_json(travel: "TimeTravel") -> dict[str, Any]:
    return {**travel._asdict(), "differences": [one._asdict() for one in travel.differences]}


def travel_as_github(travel: "TimeTravel") -> str:
    title = f"file={_property(travel.file)},line=1,title={_property('time travel')}"
    return "\n".join(f"::error {title}::{_data(_difference(one).strip())}" for one in travel.differences)
