from collections.abc import Iterator

from sqlglot import exp

from sync.lint.finding import Hit
from sync.lint.rules.base import Rule
from sync.sql.model import Model
from sync.sql.query import Query, line_of

NAMES = frozenset(
    [
        "random",
        "rand",
        "randn",
        "random_normal",
        "uuid",
        "uuidv4",
        "uuidv7",
        "gen_random_uuid",
        "generate_uuid",
        "newid",
        "setseed",
        "uuid_string",
        "generate_ulid",
    ]
)


class RandomValues(Rule):
    """A feature is the same when it is built again: nothing in it is random.

    `random()`, a new UUID and a sample of the rows differ from build to build, so a training set cannot be
    made again. For a random but lasting choice hash the key.

    ```sql wrong
    select player_id, event_timestamp, random() < 0.5 as in_test from player_days
    ```

    ```sql right
    select player_id, event_timestamp, hash(player_id) % 2 = 0 as in_test from player_days
    ```
    """

    code, title, severity = "FS006", "Random values in a feature", "error"

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        if not model.under_watch:
            return
        for node in query.tree.walk():
            if isinstance(node, exp.TableSample):
                yield Hit(
                    line_of(node),
                    "a sample of the rows is another in every build; choose by a hash of the key",
                )
            elif isinstance(node, exp.Rand | exp.Randn | exp.Uuid) or (
                isinstance(node, exp.Anonymous) and node.name.lower() in NAMES
            ):
                name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
                yield Hit(line_of(node), f"{name}() is another in every build; hash the key instead")
