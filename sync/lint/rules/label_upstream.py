from collections.abc import Iterator

from sqlglot import exp

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query, line_of, own_nodes, projections


class LabelUpstream(Rule):
    """A feature is not made of labels, nor of training sets.

    A label (`meta: {label: true}`) is what a model shall foretell; a feature made of it foretells it
    perfectly, and only in training. Training models are those with a label, in a folder `training` or
    tagged so.

    ```sql wrong
    select
        player_id,
        event_timestamp,
        avg(churned) over (partition by country order by event_timestamp) as churn_rate
    from churn_labels
    ```

    ```sql right
    select player_id, event_timestamp, days_since_last_session from player_sessions
    ```
    """

    code, title, severity = "FS005", "Labels upstream of a feature", "error"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        seen: set[str | tuple[str, str]] = set()
        for table in query.tree.find_all(exp.Table):
            source = query.model_of(table)
            if source is not None and source.is_training and source is not model and source.name not in seen:
                seen.add(source.name)
                yield Hit(
                    line_of(table),
                    f"{source.name} is a training model; features are made of what training does not know",
                )
        for node, column, source in _uses(model, query):
            if source.name not in seen and (source.name, column) not in seen:
                seen.add((source.name, column))
                yield Hit(
                    line_of(node), f"{source.name}.{column} is a label; a feature may not be made of it"
                )


def _uses(model: Model, query: Query) -> Iterator[tuple[exp.Expr, str, Model]]:
    """Where a label chooses rows, and in a feature view also where it becomes a column.

    Elsewhere a column made of a label is a label itself.
    """
    for scope, select in query.selects():
        for column in own_nodes(select, exp.Column):
            if not _in_projection(column, select):
                yield from (
                    (column, name, source)
                    for source, name in query.bases(column, scope)
                    if name in source.labels
                )
    if model.is_feature:
        for name in query.outputs():
            for scope, projection in projections(query.root, name):
                yield from (
                    (projection, label, source)
                    for source, label in query.bases(projection, scope)
                    if label in source.labels
                )


def _in_projection(column: exp.Column, select: exp.Select) -> bool:
    return not any(
        isinstance(node, exp.Where | exp.Join | exp.Group | exp.Having | exp.Qualify)
        and node.parent is select
        for node in _ancestors(column)
    )


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    around = node.parent
    while around is not None:
        yield around
        around = around.parent
