"""The two servers as commands: `python -m videogen.servers web` (granian), `... push` (uvicorn).

Both accept from sockets that may have been there before them and stay after them (`listening`).
"""

import argparse
import socket
from collections.abc import Sequence
from typing import Any, Final

from videogen import garbage, listening

# Seconds for what is under way at SIGTERM; supervisors give a little more.
_GRACE: Final = 8


def serve_web(
    sockets: Sequence[socket.socket], *, host: str, port: int, workers: int, threads: int
) -> None:
    """Answer HTTP with so many processes and threads until SIGTERM."""
    from granian import net  # noqa: PLC0415 - the other server needs none of it
    from granian.constants import Interfaces  # noqa: PLC0415 - as above
    from granian.log import LogLevels  # noqa: PLC0415 - as above
    from granian.server import MPServer  # noqa: PLC0415 - as above

    # Descriptor, whether it is a path, backlog: as granian itself makes it anew in its workers.
    holder: Any = net.SocketHolder  # type: ignore[attr-defined]  # its types do not export it

    class Server(MPServer):
        """granian, whose workers accept from given sockets instead of binding the address themselves."""

        def _init_shared_socket(self) -> None:
            self._ssp = self._shd = self._sso = None

        def _spawn_worker(  # type: ignore[override]  # as granian's own, whose parent takes one more
            self, idx: int, target: Any, callback_loader: Any
        ) -> Any:
            # The worker that follows another takes its socket, with whoever waits in its queue.
            self._sso = sockets[idx % len(sockets)]
            self._shd = holder(self._sso.fileno(), False, listening.BACKLOG)  # noqa: FBT003 - positional
            return super()._spawn_worker(idx, target, callback_loader)

    Server(
        "videogen.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=max(workers, len(sockets)),
        blocking_threads=threads,
        backlog=listening.BACKLOG,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=_GRACE,
    ).serve()


def serve_push(sockets: Sequence[socket.socket]) -> None:
    """Hold sockets, streams and long polls until SIGTERM."""
    import uvicorn  # noqa: PLC0415 - the other server needs none of it

    config = uvicorn.Config(
        "videogen.asgi:application",
        ws="videogen.socket_protocol:SocketProtocol",
        http="videogen.request_protocol:RequestProtocol",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE,
    )
    # Django is set up before its protocols are imported, and before there is an event loop, in which it would refuse.
    config.load_app()
    config.load()
    garbage.set_aside_what_stays()
    uvicorn.Server(config).run(sockets=list(sockets))


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(prog="python -m videogen.servers")
    parser.add_argument("server", choices=["web", "push"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes of web")
    parser.add_argument("--threads", type=int, default=8, help="threads of each process of web")
    asked = parser.parse_args()
    host, port = asked.host, asked.port
    count = asked.workers if asked.server == "web" else 1
    sockets = listening.received(asked.server, host=host, port=port, count=count)
    if asked.server == "push":
        serve_push(sockets)
    else:
        serve_web(sockets, host=host, port=port, workers=asked.workers, threads=asked.threads)


if __name__ == "__main__":
    main()
