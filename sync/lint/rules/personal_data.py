from collections.abc import Iterator

from sqlglot import exp

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query, line_of, projections
from sync.sql.trace import trace


class PersonalData(Rule):
    """A feature made of personal data says in its YAML whether it is personal data itself.

    A column of a source or model that is marked `pii: true` marks what is made of it, from model to model,
    up to a column that says `pii: false`. A feature without either would be served to tokens that may not
    read personal data. Join keys are what is asked with, no features.

    ```sql wrong
    select player_id, event_at as event_timestamp, split_part(email, '@', 2) as mail_provider
    from people
    ```

    ```sql right
    select
        player_id,
        event_at as event_timestamp,
        split_part(email, '@', 2) as mail_provider  -- in the YAML: config: {meta: {pii: false}}
    from people
    ```
    """

    code, title, severity = "FS011", "Personal data in a feature that does not say so", "error"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.is_feature:
            return
        told = {*model.keys, *model.times, *model.unserved, *model.pii}
        for name, parts in model.personal_parts.items():
            if name not in told:
                _, projection = next(projections(query.root, name))
                yield Hit(
                    line_of(projection),
                    f"{name} is made of {', '.join(parts)}, which is personal data; its YAML must say "
                    "`pii: true`, or `pii: false` if nobody can be told by it",
                )


def personal_parts(query: Query) -> dict[str, list[str]]:
    """Of each column of the result that has some, the personal data in its value."""
    if not any(model.personal for model in map(query.model_of, query.tree.find_all(exp.Table)) if model):
        return {}
    parts = {
        name: sorted(
            f"{read.model.name}.{read.column}"
            for read in reads
            if read.model and read.column in read.model.personal
        )
        for name, reads in trace(query).values.items()
    }
    return {name: found for name, found in parts.items() if found}
