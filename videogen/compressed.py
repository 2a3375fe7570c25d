"""Pages, and our own scripts and styles, are sent compressed: a first visit is small though nothing is ever built."""

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Final
from wsgiref.headers import Headers

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from videogen import error_pages

# What shrinks; pictures, fonts and clips are compressed already.
_FILES: Final = (".css", ".js", ".mjs", ".svg")
_PAGES: Final = ("text/", "application/json")
# Of files: below it nothing is won, above it every start would be slower.
_SIZES: Final = range(500, 600_000)


class CompressedFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise has no types
    """Serves static files, those that nobody packed beside them too."""

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> StaticFile:
        """Give a file with what stands for it packed."""
        file = Path(path)
        if (
            file.suffix not in _FILES
            or not file.exists()
            or file.stat().st_size not in _SIZES
            or Path(f"{path}.gz").exists()
        ):
            return super().get_static_file(path, url, stat_cache)
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        if self.allow_all_origins:
            headers["Access-Control-Allow-Origin"] = "*"
        return _PackedFile(path, headers.items())


class CompressedPagesMiddleware(GZipMiddleware):
    """Compresses pages and what open pages ask for; their length tells nothing of secrets in them."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress an answer, where that helps."""
        kind = response.get("Content-Type", "")
        if response.streaming or error_pages.is_of_program(request) or not kind.startswith(_PAGES):
            return response
        answer: HttpResponseBase = super().process_response(request, response)
        return answer


class _PackedFile(StaticFile):  # type: ignore[misc]  # whitenoise has no types
    """A file with what stands for it packed; if somebody cleaned that away, the file itself is sent."""

    def __init__(self, path: str, headers: Iterable[tuple[str, str]]) -> None:
        super().__init__(path, headers, encodings={"gzip": str(_packed(Path(path)))})

    def get_response(self, method: str, request_headers: Mapping[str, str]) -> Any:
        try:
            return super().get_response(method, request_headers)
        except FileNotFoundError:
            plain = {**request_headers, "HTTP_ACCEPT_ENCODING": ""}
            return super().get_response(method, plain)


def _packed(path: Path) -> Path:
    """Pack a file, if no process of this user has; give where, which its content names."""
    content = path.read_bytes()
    packed = _folder() / f"{hashlib.blake2b(content, digest_size=16).hexdigest()}.gz"
    # One of no length was lost with the machine's power.
    if not packed.exists() or not packed.stat().st_size:
        with tempfile.NamedTemporaryFile(dir=packed.parent, delete=False) as made:
            made.write(gzip.compress(content, compresslevel=6, mtime=0))
        Path(made.name).replace(packed)
    return packed


def _folder() -> Path:
    """Give a folder of this user alone, the same for all its processes and starts."""
    folder = Path(tempfile.gettempdir()) / f"videogen-packed-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        # What lies there may be somebody else's.
        return _own_folder()
    return folder


@cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="videogen-packed-"))
