from typing import TYPE_CHECKING

import typer

from sync.cli.failures import FsyncGroup
from sync.cli.options import Json, ProjectDir, RedisUrl, open_store, print_json

if TYPE_CHECKING:
    from sync.store import FeatureStore

redis_app = typer.Typer(
    cls=FsyncGroup, help="The project's own Redis, under its target path.", no_args_is_help=True
)


@redis_app.command()
def start(project_dir: ProjectDir = None, json: Json = False) -> None:
    """Start it, unless it runs."""
    store = open_store(project_dir)
    started = store.server.start()
    _report(store, json, "started" if started else "already running")


@redis_app.command()
def stop(project_dir: ProjectDir = None, json: Json = False) -> None:
    """Stop it; its data stays for the next start."""
    store = open_store(project_dir)
    stopped = store.server.stop()
    _report(store, json, "stopped" if stopped else "not running")


@redis_app.command()
def status(project_dir: ProjectDir = None, redis_url: RedisUrl = None, json: Json = False) -> None:
    """Say whether Redis answers; exit code 1 if not."""
    store = open_store(project_dir, redis_url=redis_url)
    if store.uses_own_redis:
        _report(store, json, "running" if store.server.status().running else "not running")
        if not store.server.status().running:
            raise typer.Exit(1)
        return
    from sync.online.connect import connect, redact

    connect(store.redis_url).close()
    if json:
        print_json({"state": "running", "url": redact(store.redis_url)})
    else:
        typer.echo(f"running at {redact(store.redis_url)}")


def _report(store: "FeatureStore", json: bool, state: str) -> None:
    found = store.server.status()
    if json:
        print_json({"state": state, "url": store.server.url, "pid": found.pid, "version": found.version})
        return
    details = f" (Redis {found.version}, process {found.pid})" if found.running else ""
    typer.echo(f"{state}: {store.server.url}{details}")
