"""Routes requests: to the control face, to results, or to the dialect, through its faults."""

import asyncio
import hmac
import inspect
import signal
import time
import uuid
from urllib.parse import urlsplit

from videogen.fake_gpu import clip, misbehaviour
from videogen.fake_gpu.control import Control
from videogen.fake_gpu.dialects import registry
from videogen.fake_gpu.dialects.dialect import Dialect, Route
from videogen.fake_gpu.faults import Faults
from videogen.fake_gpu.forms import UnreadableBody
from videogen.fake_gpu.http import LARGEST_HEAD, Answer, Request, converse
from videogen.fake_gpu.journal import Journal
from videogen.fake_gpu.options import Options
from videogen.fake_gpu.server import Refused, Server
from videogen.fake_gpu.signing import new_secret
from videogen.fake_gpu.webhooks import Webhooks

_BACKLOG = 1024


class App:
    """One server on one port."""

    def __init__(
        self, server: Server, dialect: Dialect, *, node: str, api_key: str, control_token: str
    ) -> None:
        self._server = server
        self._dialect = dialect
        self._api_key = f"{dialect.key_scheme} {api_key}" if api_key else ""
        self._control_token = f"Bearer {control_token}" if control_token else ""
        self._control = Control(
            server, dialect=dialect.name, node=node, forgets=dialect.forgets_at_restart
        )

    async def respond(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith("/_control/"):
            if not _is_allowed(request, self._control_token):
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
        if not route.is_open and not _is_allowed(request, self._api_key):
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
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
        if time.time() - generation.ended_at > self._server.url_seconds:
            self._server.journal.write("url_expired", subject)
            return Answer(status=404, content_type="text/plain", body=b"Expired")
        return clip.answer(request, subject)


async def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT."""
    dialect = registry.DIALECTS[options.dialect]
    journal = Journal(options.journal, node=options.node)
    secret = options.webhook_secret or new_secret()
    apps: list[App] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await converse(reader, writer, apps[0].respond)

    listener = await asyncio.start_server(
        meet, options.host, options.port, limit=LARGEST_HEAD, backlog=_BACKLOG, start_serving=False
    )
    host, port = listener.sockets[0].getsockname()[:2]
    webhooks = Webhooks(journal, dialect.signature(secret), late_seconds=options.late_seconds)
    server = Server(
        journal=journal,
        faults=Faults(options.seed, {**dialect.quirks, **options.fault}),
        webhooks=webhooks,
        announce=dialect.announce,
        slots=options.slots,
        speed=options.speed,
        jitter=options.jitter,
        seed=options.seed,
        model=options.model,
        url=urlsplit(f"http://{host}:{port}").geturl(),
        url_seconds=options.url_seconds,
        webhook_url=options.webhook_url,
        webhook_secret=secret,
    )
    apps.append(
        App(
            server,
            dialect,
            node=options.node,
            api_key=options.api_key,
            control_token=options.control_token,
        )
    )
    journal.write(
        "listening",
        url=server.url,
        dialect=dialect.name,
        quirks=dict(dialect.quirks),
        seed=options.seed,
    )
    await listener.start_serving()
    if options.ready_file:
        part = options.ready_file.with_name(f"{options.ready_file.name}.part")
        part.write_text(server.url)
        part.replace(options.ready_file)
    await _until_told_to_stop()
    listener.close()
    webhooks.stop()
    journal.write("stopped")
    journal.close()


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _is_allowed(request: Request, wanted: str) -> bool:
    given = request.headers.get("authorization", "")
    return not wanted or hmac.compare_digest(given.encode(), wanted.encode())
