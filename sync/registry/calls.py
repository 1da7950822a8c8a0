"""What macros came to, kept beside the manifest: to compile them takes longer than a small join does."""

from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sync.errors import FsyncError
from sync.files import write_bytes
from sync.registry.manifest import ManifestFile

if TYPE_CHECKING:
    from sync.registry.macros import MacroCompiler

MOST = 256
COMPILER = Path(__file__).with_name("macros.py")


class Kept(msgspec.Struct):
    """`made_with`: the manifest and the compiler, to the byte; of any other nothing here holds."""

    made_with: str
    texts: dict[str, str] = {}


class MacroCalls:
    def __init__(self, manifest: ManifestFile, adapter: str) -> None:
        self._manifest, self._adapter = manifest, adapter
        self._path = manifest.path.with_name("fsync") / "macros.json"
        self._kept = _read(self._path, _made_with(manifest))

    @cached_property
    def _compiler(self) -> "MacroCompiler":
        from sync.registry.macros import MacroCompiler

        return MacroCompiler(self._manifest.tree, self._adapter)

    def text(self, package: str, name: str, *arguments: Any, **options: Any) -> str:
        return self._call("text", package, name, *arguments, **options)

    def digest(self, package: str, name: str, *arguments: Any, **options: Any) -> str:
        """Of a text that is long."""
        return self._call("digest", package, name, *arguments, **options)

    def _call(self, form: str, package: str, name: str, *arguments: Any, **options: Any) -> str:
        asked = [self._adapter, form, package, name, arguments, options]
        key = sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()
        texts = self._kept.texts
        if key not in texts:
            text = self._compiler.call(package, name, *arguments, **options)
            texts[key] = sha256(text.encode()).hexdigest() if form == "digest" else text
            for oldest in list(texts)[:-MOST]:
                del texts[oldest]
            with suppress(FsyncError):
                write_bytes(self._path, msgspec.json.encode(self._kept))
        return texts[key]


def _made_with(manifest: ManifestFile) -> str:
    parts = [version("fsync").encode(), version("jinja2").encode(), COMPILER.read_bytes(), manifest.content]
    return sha256(b"\x1f".join(parts)).hexdigest()


def _read(path: Path, made_with: str) -> Kept:
    with suppress(OSError, ValueError):  # msgspec's own, or text that is not UTF-8.
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        if kept.made_with == made_with:
            return kept
    return Kept(made_with)
