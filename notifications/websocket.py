"""The socket of a page: what its owner's jobs announce, as hints, with catch-up by sequence number."""

from typing import Any, Final

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from notifications import feed, live, presence
from notifications.metrics import SOCKETS

# Close codes: not signed in; a message that no page of ours sends.
SIGNED_OUT: Final = 4401
BAD_MESSAGE: Final = 4400
_ABNORMAL: Final = 1006
_LAST_SEQUENCE: Final = 2**63 - 1


class FeedConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Pushes events and progress of one owner.

    The client subscribes by connecting, reads its snapshot, asks for what came after it
    (`catch_up`), and drops every sequence number that it has seen.
    """

    is_counted = False

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle a message as Channels does, but without a thread that looks for old connections each time.

        Whoever asks the database does that itself (`database_sync_to_async`). Raises ValueError for an unknown type.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"Nothing here handles {message['type']!r}.")
        await handler(message)

    async def connect(self) -> None:
        """Accept signed-in people; the group is joined before the snapshot is read."""
        user = self.scope.get("user")
        await self.accept()
        if user is None or not user.is_authenticated or not user.is_active:
            await self.close(code=SIGNED_OUT)
            return
        self.owner_id = user.id
        self.group = live.group_of(user.id)
        await self.channel_layer.group_add(self.group, self.channel_name)
        self.is_counted = True
        SOCKETS.labels(kind="page").inc()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        if self.is_counted:
            self.is_counted = False
            SOCKETS.labels(kind="page").dec()
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)
            await database_sync_to_async(presence.leave)(self.owner_id, page=self.channel_name)

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Answer `{"type": "catch_up", "after": n}`, note `looking` and `away`; close on anything else."""
        match content:
            case {"type": "catch_up", "after": int(after)} if (
                0 <= after <= _LAST_SEQUENCE and hasattr(self, "group")
            ):
                events, head, more = await database_sync_to_async(feed.after)(
                    self.owner_id, sequence=after
                )
                await self.send_json(
                    {"type": "events", "events": events, "head": head, "more": more}
                )
            case {"type": "looking"} if hasattr(self, "group"):
                await database_sync_to_async(presence.look)(self.owner_id, page=self.channel_name)
            case {"type": "away"} if hasattr(self, "group"):
                await database_sync_to_async(presence.leave)(self.owner_id, page=self.channel_name)
            case _:
                await self.close(code=BAD_MESSAGE)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Read a text frame; a binary or empty one is no message of ours."""
        if not text_data:
            await self.close(code=BAD_MESSAGE)
            return
        await super().receive(text_data=text_data, **kwargs)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Read a message; what is not JSON is a bad message, not an error of ours."""
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None

    async def send_json(self, content: Any, *, close: Any = False) -> None:
        """Send a message; to a client that was let go because it never read, end as if it had said goodbye."""
        try:
            await super().send_json(content, close=close)
        except OSError:
            await self.disconnect(_ABNORMAL)
            raise StopConsumer from None

    async def feed_events(self, message: dict[str, Any]) -> None:
        """Pass events on to the page."""
        await self.send_json(
            {
                "type": "events",
                "events": message["events"],
                "head": message["head"],
                "more": False,
            }
        )

    async def feed_progress(self, message: dict[str, Any]) -> None:
        """Pass a percentage on to the page."""
        await self.send_json(
            {
                "type": "progress",
                "job_id": message["job_id"],
                "attempt": message["attempt"],
                "percent": message["percent"],
            }
        )
