import pytest

import sync


def test_what_is_exported() -> None:
    assert sync.__all__ == sorted(sync.__all__)
    assert dir(sync) == sync.__all__
    for name in sync.__all__:
        assert getattr(sync, name).__name__ == name
    with pytest.raises(AttributeError, match="Feature_Store"):
        _ = sync.Feature_Store  # type: ignore[attr-defined]
