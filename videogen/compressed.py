"""Pages, and our own scripts and styles, are sent compressed: a first visit is small though nothing is ever built."""

import gzip
import tempfile
from functools import cache
from pathlib import Path
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
        packed = _packed(path, file.stat().st_mtime_ns)
        return StaticFile(path, headers.items(), encodings={"gzip": packed})


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


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="videogen-packed-")


@cache
def _packed(path: str, _changed_at: int) -> str:
    """Pack a file once in this process; give where."""
    with tempfile.NamedTemporaryFile(dir=_folder().name, suffix=".gz", delete=False) as packed:
        packed.write(gzip.compress(Path(path).read_bytes(), compresslevel=6, mtime=0))
    return packed.name
