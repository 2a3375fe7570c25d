"""Asks the server and turns its problem documents into failures of the command."""

import json
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from videogen_cli.credentials import Credentials
from videogen_cli.exits import Exit, Failure

_PATIENCE: Final = 30.0
_TRIES: Final = 3
# The server may ask to come back later; longer than this is the caller's to decide, seconds.
_LONGEST_PAUSE: Final = 10.0
_SECRETS: Final = ("Authorization", "X-session-token")
_NOT_MODIFIED: Final = 304
_BUSY: Final = frozenset({502, 503, 504})


class _Redirects(HTTPRedirectHandler):
    """Follows to other origins without what only the server may see."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Give the next request."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and origin(following.full_url) != origin(req.full_url):
            for name in _SECRETS:
                following.remove_header(name)
        return following


_opener: Final = build_opener(_Redirects)


class Client:
    """One server, as one caller."""

    def __init__(self, credentials: Credentials) -> None:
        if urlsplit(credentials.url).scheme not in {"http", "https"}:
            said = f"{credentials.url} is no address. Give one such as https://videogen.example"
            raise Failure(Exit.USAGE, said)
        self.credentials = credentials

    def get(self, path: str, *, etag: str = "") -> tuple[Any, str]:
        """Give the answer and its tag; None for an answer that is known by the tag."""
        headers = {"If-None-Match": etag} if etag else {}
        with self._answer(self._request("GET", path, headers=headers), is_safe=True) as answer:
            if answer.status == _NOT_MODIFIED:
                return None, etag
            return _read(answer), answer.headers.get("ETag", "")

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Any:
        """Send JSON; safe to repeat when it carries an Idempotency-Key."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = self._request("POST", path, body=body, headers=names)
        with self._answer(request, is_safe="Idempotency-Key" in names) as answer:
            return _read(answer)

    def delete(self, path: str) -> None:
        """Remove something, or end it."""
        with self._answer(self._request("DELETE", path, headers={}), is_safe=False):
            pass

    def open(self, url: str, *, accept: str = "*/*", patience: float = _PATIENCE) -> HTTPResponse:
        """Open an address for reading piece by piece; what we sign in with goes to our server only."""
        if urlsplit(url).scheme not in {"http", "https"}:
            raise Failure(Exit.UNAVAILABLE, f"{url} cannot be opened.")
        own = origin(url) == origin(self.credentials.url)
        headers = {**(self.credentials.headers() if own else {}), "Accept": accept}
        request = Request(url, headers=headers)  # noqa: S310 - the scheme is checked above
        return self._answer(request, is_safe=False, patience=patience)

    def address(self, path: str) -> str:
        """Give the address of a resource of the API."""
        return f"{self.credentials.url}/api/v1/{path}"

    def _request(
        self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str]
    ) -> Request:
        data = None if body is None else json.dumps(body).encode()
        own = {"Accept": "application/json", "User-Agent": "videogen-cli/1"}
        if data is not None:
            own["Content-Type"] = "application/json"
        return Request(  # noqa: S310 - the scheme is checked
            self.address(path),
            data=data,
            method=method,
            headers={**own, **self.credentials.headers(), **headers},
        )

    def _answer(
        self, request: Request, *, is_safe: bool, patience: float = _PATIENCE
    ) -> HTTPResponse:
        """Give an answer to be closed by the caller. Raises Failure for every other than 2xx and 304."""
        tries = _TRIES if is_safe else 1
        for number in range(1, tries + 1):
            pause = float(number)
            try:
                answer: HTTPResponse = _opener.open(request, timeout=patience)
            except HTTPError as refusal:
                if refusal.code == _NOT_MODIFIED:
                    return refusal  # type: ignore[return-value]  # it has what an answer has
                with refusal:
                    pause = float(refusal.headers.get("Retry-After") or pause)
                    if refusal.code not in _BUSY or number == tries or pause > _LONGEST_PAUSE:
                        raise _failure(refusal) from None
            except (URLError, HTTPException, OSError) as error:
                if number == tries:
                    raise away(request.full_url, error) from error
            else:
                return answer
            time.sleep(pause)
        raise AssertionError("The last try returns or raises.")


def pieces(answer: HTTPResponse, *, of_lines: bool = False, size: int = 1 << 16) -> Iterator[bytes]:
    """Give what an answer brings, in blocks or lines. Raises Failure when it breaks off."""
    while True:
        try:
            piece = answer.readline() if of_lines else answer.read1(size)
        except (HTTPException, OSError) as error:
            raise away(answer.geturl(), error) from error
        if not piece:
            return
        yield piece


def away(url: str, error: Exception) -> Failure:
    """Say that a server cannot be reached."""
    return Failure(Exit.UNAVAILABLE, f"{origin(url)} cannot be reached: {_reason(error)}.")


def origin(url: str) -> str:
    """Give scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _read(answer: HTTPResponse) -> Any:
    try:
        return json.loads(answer.read() or b"null")
    except (HTTPException, OSError) as error:
        raise away(answer.geturl(), error) from error
    except ValueError as error:
        said = "The server answered something else than JSON. Is the address right?"
        raise Failure(Exit.UNAVAILABLE, said) from error


def _failure(refusal: HTTPError) -> Failure:
    try:
        problem = json.loads(refusal.read())
        said = str(problem["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        problem, said = None, f"The server answered {refusal.code}."
    if errors := (problem or {}).get("errors"):
        said = "\n".join(f"{one['field']}: {one['message']}" for one in errors)
    if wait := refusal.headers.get("Retry-After"):
        said += f" (in {wait} s)"
    return Failure(_code_of(refusal.code), said, problem=problem)


def _code_of(status: int) -> Exit:
    match status:
        case 401 | 403 | 410:
            return Exit.NOT_ALLOWED
        case 404:
            return Exit.NOT_FOUND
        case _ if status < 500:  # noqa: PLR2004 - ours, not the server's
            return Exit.REFUSED
        case _:
            return Exit.UNAVAILABLE


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)
