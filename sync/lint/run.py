"""All rules over all models, in the order in which they read each other, and the waivers."""

from collections.abc import Iterable, Sequence

from sync.lint.finding import Finding, Hit, Report
from sync.lint.rules import CODES, RULES
from sync.lint.rules.base import Rule
from sync.lint.rules.personal_data import personal_parts
from sync.lint.rules.unreadable import Unreadable as UnreadableRule
from sync.lint.rules.waiver import WaiverFault
from sync.lint.rules.whole_history import whole_history
from sync.lint.source_lines import SourceLines
from sync.lint.uniqueness import output_sets
from sync.lint.waivers import Waiver, read_waivers
from sync.sql.model import Model
from sync.sql.query import Query, Unreadable, following, own_columns, projections
from sync.sql.read import read_queries


def lint(models: Sequence[Model], dialect: str, chosen: "frozenset[str] | None" = None) -> Report:
    """`models` in dependency order, sources and seeds among them; `chosen` names those to report on."""
    findings: list[Finding] = []
    read = 0
    for model, query in read_queries(models, dialect):
        judged = (chosen is None or model.name in chosen) and bool(model.sql is not None or model.source)
        try:
            faults = _faults(model, query, judged)
        except Unreadable as fault:
            faults = [(UnreadableRule, Hit(fault.line, f"not read: {fault}"))]
        if judged:
            read += 1
            findings += _judge(model, faults)
    return Report(tuple(sorted(findings, key=lambda one: (one.file, one.line, one.code))), read)


def _faults(model: Model, query: "Query | Unreadable | None", judged: bool) -> list[tuple[type[Rule], Hit]]:
    """What is wrong, if the model is judged at all; those that read it learn of it in any case."""
    if isinstance(query, Unreadable):
        raise query
    if query is None:
        return [(UnreadableRule, Hit(1, "not read: it has no SQL", in_source=True))]
    with following():
        _learn(model, query)
        return [(rule, hit) for rule in RULES for hit in rule().check(model, query)] if judged else []


def _learn(model: Model, query: Query) -> None:
    """What those that read it must know, from its columns to what is personal data."""
    names = query.outputs()
    if not model.is_snapshot:
        model.unique += output_sets(query, query.root)
        model.whole_history = whole_history(query, query.root)
    if model.event_timestamp is None and "event_timestamp" in names:
        model.event_timestamp = "event_timestamp"
    model.labels |= {name for name in names if _is_label(query, name)}
    model.personal_parts = personal_parts(query)
    model.personal |= {name for name in model.personal_parts if model.pii.get(name, True)}


def _is_label(query: Query, name: str) -> bool:
    return any(
        column in source.labels
        for scope, projection in projections(query.root, name)
        if any(True for _ in own_columns(projection))
        for source, column in query.bases(projection, scope)
    )


def _judge(model: Model, faults: "list[tuple[type[Rule], Hit]]") -> Iterable[Finding]:
    lines = SourceLines(model.source, model.sql or "")
    written = read_waivers(model.source, CODES)
    made = [waiver for waiver in read_waivers(model.sql or "", CODES) if waiver.codes]
    used: set[int] = set()
    seen: set[tuple[str, int, str]] = set()
    for rule, hit in faults:
        line = hit.line if hit.in_source else lines.line(hit.line)
        waived = [waiver for waiver in written if rule.code in waiver.codes and waiver.covers == line]
        used |= {waiver.line for waiver in waived}
        if waived or (
            not hit.in_source and _waived_in_macro(made, rule.code, hit.line, used, lines, written)
        ):
            continue
        if (rule.code, line, hit.message) not in seen:
            seen.add((rule.code, line, hit.message))
            yield Finding(rule.code, rule.severity, model.name, model.file, line, hit.message)
    for waiver in written:
        if waiver.fault:
            yield _waiver_finding(model, waiver, f"waives nothing: {waiver.fault}")
        elif waiver.line not in used:
            yield _waiver_finding(
                model, waiver, f"waives nothing: no {' or '.join(waiver.codes)} on its line"
            )


def _waived_in_macro(
    made: list[Waiver], code: str, line: int, used: set[int], lines: SourceLines, written: list[Waiver]
) -> bool:
    """By a comment in the compiled SQL, the model's own or of the macro that made the line."""
    waived = [waiver for waiver in made if code in waiver.codes and waiver.covers == line]
    own = {waiver.line for waiver in written}
    used |= {lines.line(waiver.line) for waiver in waived} & own
    return bool(waived)


def _waiver_finding(model: Model, waiver: Waiver, message: str) -> Finding:
    return Finding(WaiverFault.code, WaiverFault.severity, model.name, model.file, waiver.line, message)
