from typing import Annotated

import typer

from sync.cli.failures import note
from sync.cli.options import ProjectDir, RedisUrl


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 6566,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer.")] = 1,
    project: Annotated[
        str | None,
        typer.Option(envvar="FSYNC_PROJECT", help="Project in Redis; by default that of --project-dir."),
    ] = None,
    redis_url: RedisUrl = None,
    project_dir: ProjectDir = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Without any token, also on an address that others reach.")
    ] = False,
    pii: Annotated[bool, typer.Option("--pii", help="Without any token, personal data too.")] = False,
    access_log: Annotated[bool, typer.Option("--access-log", help="A JSON line per request.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.05, max=60, help="Seconds for Redis, and for a body.")
    ] = 2.0,
    max_body: Annotated[int, typer.Option(min=1024, help="Largest body in bytes.")] = 1 << 20,
    max_entities: Annotated[int, typer.Option(min=1, help="Most entities in one request.")] = 1000,
) -> None:
    """Serve features over HTTP, from Redis alone."""
    from sync.serving.listen import Listen
    from sync.serving.server import run
    from sync.serving.settings import Settings

    if project is None or redis_url is None:
        from sync.store import FeatureStore

        store = FeatureStore(project_dir, redis_url=redis_url)
        if store.uses_own_redis:
            store.server.start()
        project, redis_url = project or store.project.name, store.redis_url
    settings = Settings(
        redis_url=redis_url,
        project=project,
        pii=pii,
        access_log=access_log,
        timeout=timeout,
        max_body=max_body,
        max_entities=max_entities,
    )

    def bound(port: int) -> None:
        at = f"[{host}]" if ":" in host else host
        note(f"fsync: serving {project} at http://{at}:{port} (docs at /docs)")

    run(settings, Listen(host, port, workers), open_to_all=open_to_all, bound=bound)
