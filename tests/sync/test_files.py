from pathlib import Path

import pytest

from sync.errors import FsyncError
from sync.files import write_bytes


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken" / "by a folder").mkdir(parents=True)
    with pytest.raises(FsyncError, match=r"cannot write .*taken: Is a directory"):
        write_bytes(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        write_bytes(tmp_path / "new" / "file", content)
        assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [content]
