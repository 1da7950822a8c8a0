import signal
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli.failures import fail, note
from sync.cli.options import Json, Profile, ProfilesDir, ProjectDir, RedisUrl, Target, open_store
from sync.words import counted

if TYPE_CHECKING:
    from sync.stream.run import Step

SECONDS_PER_LINE = 10.0


def stream(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="A feature view: view or view@1.")],
    log: Annotated[
        str, typer.Option("--from", metavar="URL", help="kafka://host:9092, or redis://host:6379/0.")
    ],
    topic: Annotated[str, typer.Option(metavar="NAME", help="The topic, or the key of a Redis Stream.")],
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE.TABLE",
            help="The source whose rows the messages are; default the only one that the view rests on.",
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(metavar="DURATION", help="How far back the view's models look; read again at a start."),
    ] = "2d",
    every: Annotated[str, typer.Option(metavar="DURATION", help="Run the models so often at most.")] = "1s",
    json: Json = False,
    project_dir: ProjectDir = None,
    profiles_dir: ProfilesDir = None,
    profile: Profile = None,
    target: Target = None,
    redis_url: RedisUrl = None,
) -> None:
    """Keep a view current with a Kafka topic or a Redis Stream: its own models over the last events."""
    signal.signal(signal.SIGTERM, _end)
    store = open_store(project_dir, profiles_dir, profile, target, redis_url)
    report = _json_line if json else _Lines().tell
    with closing(store.stream(view, log=log, topic=topic, source=source, keep=keep, every=every)) as steps:
        for step in steps:
            report(step)


def _end(*_: Any) -> None:
    sys.exit(0)


def _json_line(step: "Step") -> None:
    import msgspec

    from sync.instants import now, to_text

    line = {"timestamp": to_text(now())} | {k: v for k, v in step._asdict().items() if v is not None}
    typer.echo(msgspec.json.encode(line).decode())


class _Lines:
    """One for what happened in some seconds."""

    def __init__(self) -> None:
        self._events = self._rows = 0
        self._told = float("-inf")

    def tell(self, step: "Step") -> None:
        if step.error:
            fail(f"{step.error}; trying again")
            return
        if step.refused:
            note(f"fsync: {counted(step.refused, 'message')} refused: {step.fault}")
        self._events += step.events
        self._rows += step.written
        if time.monotonic() - self._told >= SECONDS_PER_LINE:
            self._told = time.monotonic()
            behind = "" if step.behind is None else f", {step.behind:.1f} s behind"
            typer.echo(
                f"{counted(self._events, 'event')}, {counted(self._rows, 'row')} written; "
                f"models {step.seconds:.2f} s over {counted(step.kept, 'event')}{behind}"
            )
            self._events = self._rows = 0
