from collections.abc import Iterator
from typing import ClassVar

from sync.lint.finding import Hit, Severity
from sync.sql.model import Model
from sync.sql.query import Query


class Rule:
    """A rule's docstring is its documentation: `docs/lint.md` is made of them."""

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]

    def check(self, model: Model, query: Query) -> Iterator[Hit]:
        raise NotImplementedError
