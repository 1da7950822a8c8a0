from collections.abc import Iterator

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query


class WaiverFault(Rule):
    """A waiver names rules that exist, gives a reason, and waives something.

    One without a reason or with an unknown code waives nothing. One that nothing needs any longer is to be
    deleted.

    ```sql wrong
    -- fsync: allow FS002
    select lead(level) over (partition by player_id order by event_at) as next_level from events
    ```

    ```sql right
    -- fsync: allow FS002 because the next level is the label of this training set
    select lead(level) over (partition by player_id order by event_at) as next_level from events
    ```
    """

    code, title, severity = "FS010", "A waiver that waives nothing", "warning"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        del model, query
        return iter(())
