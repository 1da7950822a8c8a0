import os
from pathlib import Path

from sync.errors import FsyncError


def write_bytes(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
        written.write_bytes(content)
        written.replace(path)
    except OSError as error:
        raise FsyncError(f"cannot write {path}: {error.strerror}") from None
