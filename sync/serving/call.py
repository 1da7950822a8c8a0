"""A request for features on its way to Redis and back, again while what the worker knows proves old.

No coroutine: that a request costs one turn of the loop out and one back is what makes the server fast.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sync.errors import FsyncError
from sync.online.read import ATTEMPTS
from sync.online.resolve import UnknownName
from sync.serving.catalog import Catalog, CatalogKeeper
from sync.serving.found import Found
from sync.serving.metrics import Metrics
from sync.serving.reader import Reader
from sync.serving.reading import Question
from sync.serving.redis_pipe import Outdated, RedisDown

_tasks: set[asyncio.Task[None]] = set()


def in_background(work: Coroutine[Any, Any, None]) -> None:
    """A task that nobody waits for; the loop itself would let it be collected."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class Call:
    """`ask` makes the question of a catalog, `names` are those it asks for. `settle` is given the answer, or
    what went wrong.
    """

    __slots__ = (
        "_ask",
        "_catalog",
        "_keeper",
        "_metrics",
        "_names",
        "_question",
        "_reader",
        "_route",
        "_sent",
        "_settle",
        "_tries",
    )

    def __init__(
        self,
        reader: Reader,
        keeper: CatalogKeeper,
        metrics: Metrics,
        route: str,
        ask: Callable[[Catalog], Question],
        names: Callable[[], set[str]],
        settle: Callable[[bytes | Exception], None],
    ) -> None:
        self._reader, self._keeper, self._metrics, self._route = reader, keeper, metrics, route
        self._ask, self._names, self._settle = ask, names, settle
        self._tries, self._sent = 0, 0.0

    def attempt(self, catalog: Catalog) -> None:
        self._tries += 1
        try:
            question = self._ask(catalog)
        except UnknownName as error:
            self._later(catalog, error)
        except Exception as error:
            self._settle(error)
        else:
            self._sent = time.perf_counter()
            self._catalog, self._question = catalog, question
            self._reader.ask(question.lookups, question.as_of, self._arrived)

    def _arrived(self, found: "list[Found] | FsyncError") -> None:
        if isinstance(found, Outdated):
            self._later(self._catalog, found)
            return
        if isinstance(found, FsyncError):
            self._settle(found)
            return
        try:
            self._count(found)
            body = self._question.answer(found)
        except Exception as error:
            self._settle(error)
        else:
            self._settle(body)

    def _count(self, found: list[Found]) -> None:
        seconds = time.perf_counter() - self._sent
        for (view, _), rows in zip(self._question.lookups, found, strict=True):
            self._metrics.read(self._route, view.meta.reference, seconds, rows)

    def _later(self, seen: Catalog, error: Exception) -> None:
        in_background(self._again(seen, error))

    async def _again(self, seen: Catalog, error: Exception) -> None:
        """With a newer catalog, if there is one that may answer otherwise."""
        try:
            if isinstance(error, UnknownName):
                newer = await self._keeper.look_again(seen, self._names())
                if newer is seen:
                    raise error
            else:
                newer = await self._keeper.reload()
            if self._tries == ATTEMPTS:
                raise RedisDown(
                    "the views asked for are being redefined over and over; try again", "outdated"
                ) from None
        except Exception as failure:
            self._settle(failure)
        else:
            self.attempt(newer)
