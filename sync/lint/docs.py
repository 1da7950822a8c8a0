"""`docs/lint.md`, made of the rules' docstrings."""

import re
from inspect import cleandoc

from sync.lint.rules import RULES
from sync.lint.rules.base import Rule

HEAD = """# fsync lint

<!-- Made by scripts/lint_docs from the docstrings of the rules. -->

```console
$ fsync lint
models/features/player/player_spend.sql:9: FS003 error: player_sessions is joined without an upper …
27 models: 1 error
```

`fsync lint` lets dbt compile the project, aside from its manifest, and reads every model's SQL: DuckDB's or
BigQuery's, by the target. `fsync lint VIEW…` reports on these models and what they are made of. Lines are
those of the model's source file; what a macro made is reported at its call. Most rules watch feature views
and the models upstream of them; FS003 watches all.

| Option | |
| --- | --- |
| `--format text\\|json\\|github` | `github` prints workflow commands that annotate a pull request |
| `--strict` | Exit code 1 for warnings too |
| `--time-travel VIEW` | The proof by experiment, see below |

Exit code 0: nothing found, or warnings; 1: errors; 2: the lint could not run (no such model, the project
does not compile). In Python: `FeatureStore().lint()`.

## Waivers

A comment with a reason, on the line or above it:

```sql
-- fsync: allow FS002 because the next level is the label of this model
lead(level) over (partition by player_id order by event_at) as next_level
```

`{# fsync: allow … #}` does too. For SQL that a macro makes, it stands above the macro's call or inside the
macro, as a SQL comment. A waiver without a reason, of a rule that does not exist, or that waives nothing is
reported itself (FS010).

## Time travel

`fsync lint --time-travel VIEW` proves by experiment what no reading of SQL can. It takes instants at which
something came to be known, leaves out all source rows that were known later, and builds the view and its
upstream again with dbt, in a scratch DuckDB file, never in your warehouse. Then it compares: of the rows
that the full build has up to that instant (by event timestamp and created timestamp), each must have been
there, with the same values; and each that was there must still be. The first differences are shown, and the
exit code is 1.

| Option | |
| --- | --- |
| `--instants N` | How many instants, 3 by default |
| `--seed N` | Another choice of instants |

The lint must know when a source's rows came to be known. A source or seed says so in its `config`; so does a
model that reads files by itself:

| Setting | Meaning |
| --- | --- |
| `meta: {created_timestamp: …}` | A column or a SQL expression; `false` for what was always known |
| `loaded_at_field` | As dbt's freshness has it |
| `event_time` | If there is nothing better |

A date counts from its end; a row without a time is always known. Views that read a snapshot cannot be
rebuilt of the past, and warehouses other than DuckDB cannot be rebuilt aside: both are said plainly.

## Rules
"""


def as_markdown() -> str:
    return HEAD + "".join(_rule(rule) for rule in RULES)


def _rule(rule: type[Rule]) -> str:
    text = cleandoc(rule.__doc__ or "")
    text = re.sub(r"```sql (wrong|right)\n", lambda match: f"{match[1].capitalize()}:\n\n```sql\n", text)
    return f"\n### {rule.code}: {rule.title} ({rule.severity})\n\n{text}\n"
