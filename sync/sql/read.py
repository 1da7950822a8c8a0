"""The queries of a project's models, each read with the columns of those before it."""

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.schema import MappingSchema

from sync.sql.model import Model, Tables
from sync.sql.query import Query, Unreadable

SNAPSHOT_COLUMNS = {
    "dbt_scd_id": "",
    "dbt_updated_at": "timestamp",
    "dbt_valid_from": "timestamp",
    "dbt_valid_to": "timestamp",
}


def read_queries(
    models: Sequence[Model], dialect: str
) -> "Iterator[tuple[Model, Query | Unreadable | None]]":
    """`models` in dependency order, sources and seeds among them; each with its query, or why it has none.

    What the caller adds to a model's columns before the next one is known to those that read it.
    """
    tables, schema = Tables(list(models)), MappingSchema(dialect=dialect)
    queries: dict[Model, Query] = {}
    for model in models:
        found: Query | Unreadable | None = None
        if model.sql is not None:
            try:
                found = queries[model] = Query(model.sql, dialect, tables, schema, queries)
            except Unreadable as fault:
                found = fault
            else:
                for name in found.outputs():
                    model.columns.setdefault(name, "")
                if model.is_snapshot:
                    model.columns.update(SNAPSHOT_COLUMNS)
        yield model, found
        _declare(schema, model)


def _declare(schema: MappingSchema, model: Model) -> None:
    if not model.columns or not model.relation:
        return
    columns = dict.fromkeys(model.columns, "unknown")
    for relation in (model.relation, (f"__dbt__cte__{model.name.lower()}",)):
        if len(relation) == len(model.relation):
            table = exp.Table(
                **dict(zip(("this", "db", "catalog"), map(exp.to_identifier, relation[::-1]), strict=False))
            )
            schema.add_table(table, columns, match_depth=False, normalize=False)
