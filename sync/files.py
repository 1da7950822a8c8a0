import os
from pathlib import Path

from sync.errors import FsyncError


def write_bytes(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    written = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            written.write_bytes(content)
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FsyncError(f"cannot write {path}: {error.strerror}") from None
