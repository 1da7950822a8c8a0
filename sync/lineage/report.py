"""Lineage as text for a person, or as JSON."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sync.lineage.graph import Column, Edges, Lineage
from sync.online.layout import view_keys
from sync.sql.trace import ROWS


def redis_key(lineage: Lineage, column: Column) -> str | None:
    """Where the newest values of a feature are; None of what is none, or not in Redis."""
    view = lineage.view(column)
    if view is None or not view.online:
        return None
    return view_keys(lineage.registry.project, view.reference).rows


def column_as_text(lineage: Lineage, column: Column) -> str:
    model = lineage.models[column.relation]
    lines = [f"{lineage.name(column)}  {model.file}", *_served(lineage, column)]
    lines += _section("made of", _tree(lineage, lineage.values, column))
    lines += _section("rows decided by", _grouped(lineage, lineage.row_sources(column)))
    readers = _tree(lineage, lineage.children, column, lambda one: _readers(lineage, one))
    lines += _section("goes into", readers)
    lines += _section("decides on the rows of", lineage.rows_reached(column))
    return "\n".join([*lines, *_unread(lineage)])


def overview(lineage: Lineage, columns: Iterable[Column]) -> "list[tuple[str, str, str]]":
    """Of each column its name, the columns of sources it is made of, and who reads it."""
    return [
        (
            lineage.name(column),
            "; ".join(_grouped(lineage, lineage.sources(column))) or "-",
            ", ".join(_readers(lineage, column)) or "-",
        )
        for column in columns
    ]


def column_as_json(lineage: Lineage, column: Column) -> dict[str, Any]:
    reached = [column, *lineage.reached(column)]
    return _summary(lineage, column) | {
        "made_of": _edges(lineage, lineage.values, [column, *lineage.ancestors(column)]),
        "goes_into": _edges(lineage, lineage.children, reached),
        "reaches": [_summary(lineage, one) for one in reached[1:] if lineage.is_feature(one)],
        "decides_on_rows_of": lineage.rows_reached(column),
        "not_followed": _not_followed(lineage),
    }


def columns_as_json(lineage: Lineage, columns: Iterable[Column]) -> dict[str, Any]:
    return {
        "columns": [_summary(lineage, column) for column in columns],
        "not_followed": _not_followed(lineage),
    }


def _served(lineage: Lineage, column: Column) -> Iterator[str]:
    view = lineage.view(column)
    key = redis_key(lineage, column)
    if view is not None and key:
        shards = f" and {view.shards - 1} more shards" if view.shards > 1 else ""
        keys = ", ".join(join_key.name for join_key in view.join_keys)
        yield f"  Redis {key}{shards}, a field for each {keys}"
    yield from (f"  {reader}" for reader in consumers(lineage, column))


def _readers(lineage: Lineage, column: Column) -> list[str]:
    return [*(["Redis"] if redis_key(lineage, column) else []), *consumers(lineage, column)]


def consumers(lineage: Lineage, column: Column) -> list[str]:
    services = [f"service {name}" for name in lineage.services(column)]
    return services + [f"exposure {name}" for name in lineage.exposures(column.relation)]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"  {line}" for line in lines]
    return [title, *found] if found else []


def _tree(
    lineage: Lineage,
    edges: Edges,
    column: Column,
    note: "Callable[[Column], list[str]]" = lambda _: [],
) -> list[str]:
    """A column whose own branch stands above already ends in `…`."""
    lines: list[str] = []
    seen = {column}

    def grow(of: Column, depth: int) -> None:
        for one in lineage.named(edges.get(of, ())):
            again = one in seen and one in edges
            noted = note(one)
            rows = one.column == ROWS
            text = f"{lineage.relation_name(one.relation)}: its rows" if rows else lineage.name(one)
            lines.append(
                "  " * depth + text + (" …" if again else "") + (f"  → {', '.join(noted)}" if noted else "")
            )
            if one not in seen:
                seen.add(one)
                grow(one, depth + 1)

    grow(column, 0)
    return lines


def _grouped(lineage: Lineage, columns: Iterable[Column]) -> list[str]:
    """`relation: column, column`."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        name = "its rows" if column.column == ROWS else column.column
        groups.setdefault(lineage.relation_name(column.relation), []).append(name)
    return [f"{relation}: {', '.join(names)}" for relation, names in sorted(groups.items())]


def _unread(lineage: Lineage) -> list[str]:
    return [
        f"not followed: {name} ({why}); each column of it counts as made of all that it reads"
        for name, why in _not_followed(lineage).items()
    ]


def _not_followed(lineage: Lineage) -> dict[str, str]:
    return {lineage.relation_name(relation): why for relation, why in lineage.unread.items()}


def _summary(lineage: Lineage, column: Column) -> dict[str, Any]:
    return {
        "column": lineage.name(column),
        "feature": lineage.is_feature(column),
        "file": lineage.models[column.relation].file,
        "sources": [lineage.name(one) for one in lineage.sources(column)],
        "row_sources": [lineage.name(one) for one in lineage.row_sources(column)],
        "redis_key": redis_key(lineage, column),
        "services": lineage.services(column),
        "exposures": lineage.exposures(column.relation),
    }


def _edges(lineage: Lineage, edges: Edges, columns: Iterable[Column]) -> dict[str, list[str]]:
    return {
        lineage.name(column): [lineage.name(one) for one in lineage.named(edges[column])]
        for column in columns
        if column in edges
    }
