"""HTTP with as little work as possible on the client's side, so that what is measured is the server."""

import asyncio
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


@dataclass(slots=True)
class Connection:
    """One kept connection, one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    @classmethod
    async def to(cls, url: str) -> Self:
        """Connect."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader=reader, writer=writer, host=parts.netloc)

    def begin(
        self,
        method: str,
        path: str,
        *,
        key: str,
        scheme: str = "Bearer",
        body: bytes = b"",
        **more: str,
    ) -> None:
        """Send a request and wait for nothing; `more` are headers, with underscores."""
        headers = {"Host": self.host, "Authorization": f"{scheme} {key}"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        if body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def ask(
        self, method: str, path: str, *, key: str, body: bytes = b"", **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; give the status, the headers in small letters, and the body."""
        self.begin(method, path, key=key, body=body, **more)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])
        }
        length = int(headers.get("content-length", 0))
        return int(head[0].split()[1]), headers, await self.reader.readexactly(length)

    def close(self) -> None:
        """Leave."""
        self.writer.close()
