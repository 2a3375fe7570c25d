"""Routes requests: to the control face, to results, or to the dialect, through its faults."""

import asyncio
import contextlib
import hmac
import inspect
import signal
import socket
import time
import uuid
from collections.abc import Callable

from videogen.fake_gpu import clip, journal, misbehaviour, recall
from videogen.fake_gpu.control import Control
from videogen.fake_gpu.dialects import registry
from videogen.fake_gpu.dialects.dialect import Dialect, Route
from videogen.fake_gpu.forms import UnreadableBody
from videogen.fake_gpu.http import LARGEST_HEAD, Answer, Request, converse
from videogen.fake_gpu.options import Options
from videogen.fake_gpu.server import Refused, Server
from videogen.fake_gpu.signing import new_secret

_BACKLOG = 1024


class CannotStart(Exception):
    """The address or the journal belongs to another process."""


class App:
    """One server on one port."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self._server = server
        self._dialect = dialect
        options = server.options
        self._key = f"{dialect.key_scheme} {options.api_key}" if options.api_key else ""
        self._token = f"Bearer {options.control_token}" if options.control_token else ""
        self._control = Control(server)

    async def respond(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith("/_control/"):
            if not _is_allowed(request, self._token):
                return Answer(status=401)
            return self._control.answer(request)
        if request.path.startswith("/_files/"):
            return self._result(request)
        try:
            answer = await self._dialogue(request)
        except Refused as refusal:
            answer = self._refuse(request, refusal)
        answer.headers.setdefault("x-request-id", uuid.uuid4().hex)
        return answer

    async def _dialogue(self, request: Request) -> Answer:
        route, subject = self._route(request)
        if not route.is_open and not _is_allowed(request, self._key):
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
        self._server.tally.count(route.place)
        unanswered = misbehaviour.before(self._server, route.place, subject)
        if unanswered is not None:
            return unanswered
        try:
            found = route.handler(self._server, request, subject)
            answer = await found if inspect.isawaitable(found) else found
        except UnreadableBody as error:
            raise Refused(400, str(error), code="invalid_body") from None
        return await misbehaviour.after(self._server, route.place, answer)

    def _route(self, request: Request) -> tuple[Route, str]:
        is_known = False
        method = "GET" if request.method == "HEAD" else request.method
        for route in self._dialect.routes:
            if found := route.pattern.fullmatch(request.path):
                if route.method == method:
                    return route, found.groupdict().get("id", "")
                is_known = True
        if is_known:
            raise Refused(405, "Method not allowed.", code="method_not_allowed")
        raise Refused(404, f"Unknown address {request.path}.", code="not_found")

    def _refuse(self, request: Request, refusal: Refused) -> Answer:
        self._server.journal.write(
            "refused",
            method=request.method,
            path=request.path,
            status=refusal.status,
            code=refusal.code,
            message=refusal.message,
        )
        answer = self._dialect.refuse(refusal)
        answer.headers.update(refusal.headers)
        return answer

    def _result(self, request: Request) -> Answer:
        subject = request.path.split("/")[2]
        generation = self._server.gpu.known.get(subject)
        if generation is None or generation.ended_at is None:
            return Answer(status=404, content_type="text/plain", body=b"Not found")
        if time.time() - generation.ended_at > self._server.options.url_seconds:
            self._server.journal.write("url_expired", subject)
            return Answer(status=404, content_type="text/plain", body=b"Expired")
        return clip.answer(request, subject)


async def run(options: Options, *, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` hears one line, the address. Raises CannotStart."""
    dialect = registry.DIALECTS[options.dialect]
    # Bound first: a port of 0 gets its number only here, and results name it.
    try:
        listening = socket.create_server((options.host, options.port), backlog=_BACKLOG)
    except OSError as error:
        raise CannotStart(f"Cannot listen at {options.host}:{options.port}: {error}") from None
    host, port = listening.getsockname()[:2]
    facts = journal.read(options.journal) if options.journal else []
    try:
        server = Server(
            options,
            url=f"http://{host}:{port}",
            secret=options.webhook_secret or recall.secret(facts) or new_secret(),
            forgets=dialect.forgets_at_restart,
            quirks=dialect.quirks,
            announce=dialect.announce,
            signature=dialect.signature,
        )
    except BlockingIOError:
        raise CannotStart(f"Another server writes {options.journal}.") from None
    server.journal.write(
        "listening",
        url=server.url,
        dialect=dialect.name,
        seed=options.seed,
        quirks=dict(dialect.quirks),
        # Kept here, so that a restart signs with the same key.
        webhook_secret=server.webhook_secret,
    )
    if dialect.forgets_at_restart:
        recall.nothing(server, facts)
    else:
        recall.everything(server, facts)
    app = App(server, dialect)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Python 3.11 would report an open connection as an error when the server stops.
        with contextlib.suppress(asyncio.CancelledError):
            await converse(reader, writer, app.respond)

    listener = await asyncio.start_server(meet, sock=listening, limit=LARGEST_HEAD)
    if options.ready_file:
        part = options.ready_file.with_name(f"{options.ready_file.name}.part")
        part.write_text(server.url)
        part.replace(options.ready_file)
    say(f"{dialect.name} listens at {server.url}, its control face at {server.url}/_control/state")
    await _until_told_to_stop()
    listener.close()
    server.webhooks.stop()
    server.journal.write("stopped")
    server.journal.close()


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _is_allowed(request: Request, wanted: str) -> bool:
    given = request.headers.get("authorization", "")
    return not wanted or hmac.compare_digest(given.encode(), wanted.encode())
