"""Reads ahead in a thread of its own, so that the warehouse and Redis work at the same time."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import TypeVar

T = TypeVar("T")
# Frames of rows that wait; few, since memory is bounded by them.
DEPTH = 6


@contextmanager
def read_ahead(items: "Generator[T, None, None]") -> Iterator[Iterator[T]]:
    """The same items. What the thread raises is raised to whoever reads; at the end the items are closed."""
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(DEPTH)
    stop = threading.Event()

    def read() -> None:
        failure: BaseException | None = None
        try:
            for item in items:
                queue.put((item, None))
                if stop.is_set():
                    break
            items.close()
        except BaseException as error:
            failure = error
        queue.put((None, failure))

    def received() -> Iterator[T]:
        while True:
            item, failure = queue.get()
            if failure is not None:
                raise failure
            if item is None:
                return
            yield item

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield received()
    finally:
        stop.set()
        while thread.is_alive():
            while not queue.empty():
                # A thread that waits to put one more item must find room.
                queue.get()
            thread.join(0.01)
