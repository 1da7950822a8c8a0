"""What a `merge` leaves in its table, as queries: its clauses' own words, put in the places of a select's."""

import re
from dataclasses import dataclass

import sqlglot

from tests.bigquery.reference import GoogleSQLError

CLAUSE = re.compile(
    r"(not\s+)?matched(?:\s+and\s+(.*?))?\s+then\s+(?:update\s+set|insert)\s+(.*)", re.S | re.I
)


@dataclass(frozen=True)
class Merge:
    target: str
    kept: str
    """The rows of before, changed where they are matched: as many as there were."""
    inserted: str


def merge(sql: str, columns: list[str]) -> Merge:
    """`merge into t as d using s on …` with at most one clause of each kind, as dbt writes them."""
    into, using, on, *whens = _cut(sql, ("into", "using", "on", "when"))
    # As no row is matched, none need be compared.
    limit = " limit 0" if on.strip("() ").lower() == "false" else ""
    target, dest = re.fullmatch(r"`([^`]+)`\s+as\s+(\w+)", into).groups()  # type: ignore[union-attr]
    source, alias = re.fullmatch(r"(.*)\s+as\s+(\w+)", using, re.S).groups()  # type: ignore[union-attr]
    values = {column: f"{dest}.{column}" for column in columns}
    inserted = f"select * from `{target}` where false"
    for when in whens:
        clause = CLAUSE.fullmatch(when)
        if not clause:
            raise GoogleSQLError(f"not of this warehouse: when {when}")
        unmatched, condition, rest = clause.groups()
        if unmatched:
            names, given = ([part.strip(" `\n\t") for part in _listed(text)] for text in rest.split("values"))
            row = {column: f"(select {column} from `{target}` where false)" for column in columns}
            row |= dict(zip(names, given, strict=True))
            inserted = f"""
                select {", ".join(f"{value} as {column}" for column, value in row.items())}
                from (
                    select {alias}.*
                    from (select * from {source}) as {alias}
                    left join (select true as is_matched, * from `{target}`{limit}) as {dest} on {on}
                    where is_matched is null
                ) as {alias}
                where {condition or "true"}
            """
        else:
            for change in _split(rest):
                column, value = (part.strip() for part in change.split("=", 1))
                column = column.strip("`")
                values[column] = (
                    f"case when is_matched and ({condition or 'true'}) then {value} else {values[column]} end"
                )
    kept = f"""
        select {", ".join(f"{value} as {column}" for column, value in values.items())}
        from `{target}` as {dest}
        left join (select true as is_matched, * from {source}{limit}) as {alias} on {on}
    """
    return Merge(target, kept, inserted)


def _cut(sql: str, words: tuple[str, ...]) -> list[str]:
    """What follows each of the words where they stand outside of brackets and of `case … end`."""
    depth, starts = 0, []
    for token in sqlglot.tokenize(sql, read="bigquery"):
        word = token.text.lower()
        depth += {"(": 1, ")": -1, "case": 1, "end": -1}.get(word, 0)
        if depth == 0 and word in words:
            starts.append((token.start, token.end + 1))
    ends = [*(start for start, _ in starts[1:]), len(sql)]
    return [sql[start:end].strip(" \n;") for (_, start), end in zip(starts, ends, strict=True)]


def _listed(text: str) -> list[str]:
    return _split(text.strip()[1:-1])


def _split(text: str) -> list[str]:
    depth, parts, start = 0, [], 0
    for n, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(text[start:n])
            start = n + 1
    return [*parts, text[start:]]
