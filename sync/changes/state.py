"""What a project's features are made of at one moment: enough to compare it with another."""

from pathlib import Path
from typing import Any

import msgspec

from sync.errors import FsyncError
from sync.files import write_bytes

FILE = "fsync_state.json"


class FeatureState(msgspec.Struct, frozen=True):
    type: str
    expression: str
    default: Any = None


class ViewState(msgspec.Struct, frozen=True):
    """`rows`: fingerprint of keys, timestamps, joins and filters."""

    model: str
    join_keys: list[tuple[str, str]]
    rows: str
    features: dict[str, FeatureState]
    ttl: int | None = None
    online: bool = True


class ModelState(msgspec.Struct, frozen=True):
    """`text`: of its file as it is written; `computation`: of what all its columns come to."""

    selector: str
    text: str
    computation: str
    materialized: str


class State(msgspec.Struct, frozen=True):
    project: str
    # Of how fingerprints are made, and for which warehouse: only states of one method compare.
    method: str
    views: dict[str, ViewState]
    models: dict[str, ModelState]
    # Service → reference as written → the reference with its version.
    services: dict[str, dict[str, str]]
    # Exposure → the models it reads.
    exposures: dict[str, list[str]]


def write_state(state: State, path: Path) -> None:
    write_bytes(path, msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")


def read_state(path: Path) -> State:
    """Of the file that `fsync online` and `fsync plan --save` write, or of the folder that holds it."""
    path = path / FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        raise FsyncError(
            f"there is no state at {path}; `fsync online` and `fsync plan --save` write it, where the "
            "features are as they were"
        ) from None
    except OSError as error:
        raise FsyncError(f"cannot read the state {path}: {error.strerror}") from None
    except ValueError as error:  # msgspec's own, or text that is not UTF-8.
        raise FsyncError(f"{path} is not a state that `fsync plan --save` wrote ({error})") from None
