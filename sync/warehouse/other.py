"""The same relation as another target of the profile built it."""

from pathlib import Path

from sync.errors import FsyncError
from sync.project import Target
from sync.warehouse.duckdb import DuckDBWarehouse
from sync.warehouse.warehouse import Warehouse


def other_build(warehouse: Warehouse, relation: str, target: Target) -> str:
    """Its name in SQL for a query in `warehouse`, which must be of the same kind."""
    *_, schema, name = (part.strip('"`') for part in relation.replace("`.`", '"."').split('"."'))
    if target.settings["type"] == "duckdb" and isinstance(warehouse, DuckDBWarehouse):
        catalog = warehouse.attach(Path(target.settings["path"]))
        parts = [catalog, target.settings.get("schema") or schema, name]
    elif target.settings["type"] == "bigquery" and not isinstance(warehouse, DuckDBWarehouse):
        settings = target.settings
        project = settings.get("project") or settings.get("database")
        parts = [project, settings.get("dataset") or settings.get("schema"), name]
    else:
        raise FsyncError(
            f"{target.name} is a {target.settings['type']} target; a diff needs two of the same warehouse"
        )
    return ".".join(warehouse.quote(str(part)) for part in parts)
