from collections.abc import Iterator

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query


class Unreadable(Rule):
    """A model that the lint cannot read is a model that nothing was proven of.

    Its SQL does not parse, or it is not SQL at all (a Python model). `fsync lint --time-travel` needs no
    parsing.

    ```sql wrong
    select player_id, from events
    ```

    ```sql right
    select player_id from events
    ```
    """

    code, title, severity = "FS009", "SQL that cannot be read", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        del model, query
        return iter(())
