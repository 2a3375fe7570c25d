"""How the push process speaks HTTP: uvicorn's own, which also tells those who wait that the process stops.

A long poll is answered with what is true now, and a stream ends as one that was ended on purpose: both callers come
back, to a process that stays.
"""

from uvicorn.protocols.http.h11_impl import H11Protocol

from notifications.hub import hub


class RequestProtocol(H11Protocol):
    """`uvicorn --http videogen.request_protocol:RequestProtocol`."""

    def shutdown(self) -> None:
        """Hear that the process stops: what runs is finished, what waits is told."""
        hub.close()
        super().shutdown()
