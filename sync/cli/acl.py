import typer

from sync.cli.options import ProjectDir, open_store


def acl(project_dir: ProjectDir = None) -> None:
    """Print Redis users with the least rights: a writer, a server, a reader for each feature service."""
    store = open_store(project_dir)

    from sync.online.acl import acl_commands

    for command in acl_commands(store.registry, store.services()):
        typer.echo(command)
