"""How the push process speaks with sockets: uvicorn's own, which also lets go of a client that never reads.

uvicorn waits for a full buffer to drain for as long as the client's machine says that it is there, and so would
everything that is to be sent to it. A page that is let go comes back and asks for what it missed.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# So long, seconds, a client may leave what it was sent unread once the buffers are full.
PATIENCE: Final = 10.0
# After the goodbye of one that answers no ping.
_GOODBYE: Final = 1.0


class SocketProtocol(WebSocketsSansIOProtocol):
    """`uvicorn --ws videogen.socket_protocol:SocketProtocol`."""

    _too_slow: asyncio.TimerHandle | None = None
    _is_ending = False

    def shutdown(self) -> None:
        """Hear that the process stops: the client comes back, here or elsewhere."""
        self._is_ending = True
        super().shutdown()

    def send_500_response(self) -> None:
        """Refuse a handshake; that the process stops is no fault."""
        if not self._is_ending:
            super().send_500_response()
        elif not self.initial_response and not self.handshake_complete:
            self.conn.send_response(self.conn.reject(HTTPStatus.SERVICE_UNAVAILABLE, "Come back."))
            self.transport.write(b"".join(self.conn.data_to_send()))

    def pause_writing(self) -> None:
        """Hear that the client does not read as fast as it is sent to."""
        super().pause_writing()
        self._too_slow = self.loop.call_later(PATIENCE, self.transport.abort)

    def resume_writing(self) -> None:
        """Hear that it has caught up."""
        self._forgive()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that it is gone."""
        self._forgive()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """Close the socket of a client that answers no ping; what it does not read cannot hold it open."""
        super().keepalive_timeout()
        self.loop.call_later(_GOODBYE, self.transport.abort)

    def _forgive(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None
