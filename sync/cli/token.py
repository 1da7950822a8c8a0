from typing import Annotated, Any

import typer

from sync.cli.failures import FsyncGroup, note
from sync.cli.options import Json, ProjectDir, RedisUrl, open_store, print_json
from sync.cli.table import table

token_app = typer.Typer(
    cls=FsyncGroup,
    help="Tokens of those who read features over HTTP: each reads one feature service.",
    no_args_is_help=True,
)

Expires = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Good for so long: 90d, 12h. For ever by default.")
]
Identity = Annotated[str, typer.Argument(metavar="ID", help="As `fsync token list` shows it.")]


@token_app.command()
def create(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The feature service it may read.")],
    expires: Expires = None,
    pii: Annotated[bool, typer.Option("--pii", help="Grant features marked `pii: true` too.")] = False,
    rate: Annotated[int, typer.Option(min=1, help="Requests a second, of each worker.")] = 1000,
    project_dir: ProjectDir = None,
    redis_url: RedisUrl = None,
    json: Json = False,
) -> None:
    """Print a new token. It is shown this once: Redis keeps its hash only."""
    store = open_store(project_dir, redis_url=redis_url)
    _show(*store.create_token(service, expires=expires, pii=pii, rate=rate), json)


@token_app.command("list")
def list_tokens(project_dir: ProjectDir = None, redis_url: RedisUrl = None, json: Json = False) -> None:
    """List tokens, without their secrets."""
    from sync.instants import now

    tokens, instant = open_store(project_dir, redis_url=redis_url).tokens(), now()
    if json:
        print_json([_public(token) for token in tokens])
        return
    rows = [
        (
            t.id,
            t.service,
            t.state(instant),
            _text(t.created),
            _text(t.expires),
            "yes" if t.pii else "no",
            str(t.rate),
        )
        for t in tokens
    ]
    typer.echo(table(("id", "service", "state", "created", "expires", "pii", "rate"), rows))


@token_app.command()
def rotate(
    identity: Identity,
    grace: Annotated[str, typer.Option(metavar="DURATION", help="The old one stays good so long.")] = "1h",
    expires: Expires = None,
    project_dir: ProjectDir = None,
    redis_url: RedisUrl = None,
    json: Json = False,
) -> None:
    """Print a token with the same grants; the old one ends after a grace period."""
    store = open_store(project_dir, redis_url=redis_url)
    _show(*store.rotate_token(identity, grace=grace, expires=expires), json)


@token_app.command()
def revoke(identity: Identity, project_dir: ProjectDir = None, redis_url: RedisUrl = None) -> None:
    """End a token. Servers know within a second."""
    token = open_store(project_dir, redis_url=redis_url).revoke_token(identity)
    typer.echo(f"revoked: {token.id} of {token.service}")


def _show(token: Any, secret: str, json: bool) -> None:
    if json:
        print_json({**_public(token), "token": secret})
        return
    typer.echo(secret)
    until = f", until {_text(token.expires)}" if token.expires else ""
    note(f"fsync: {token.id} reads {token.service}{until}; this token is shown once")


def _public(token: Any) -> dict[str, Any]:
    from sync.instants import now

    return {
        "id": token.id,
        "service": token.service,
        "state": token.state(now()),
        "created": _text(token.created),
        "expires": None if token.expires is None else _text(token.expires),
        "pii": token.pii,
        "rate": token.rate,
    }


def _text(instant: int | None) -> str:
    from sync.instants import to_text

    return "-" if instant is None else to_text(instant)
