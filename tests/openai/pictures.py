"""Images as callers send them: the smallest that each kind can be, in colours that can be told apart."""

import struct
import zlib
from collections.abc import Sequence


def png(red: int = 200, green: int = 50, blue: int = 50, *, side: int = 8) -> bytes:
    """Give a PNG of one colour."""
    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def form(
    *parts: tuple[str, str | bytes], boundary: str = "a-boundary", kind: str = "image/png"
) -> tuple[bytes, str]:
    """Encode parts as the SDKs do: text parts without a type, bytes as a file. Gives body and Content-Type."""
    return _encoded(parts, boundary, kind), f"multipart/form-data; boundary={boundary}"


def opened(name: str) -> tuple[bytes, str]:
    """Give the beginning of a form whose file has no end, and its Content-Type."""
    body, kind = form((name, b"\x89PNG"))
    return body.partition(b"\x89PNG")[0], kind


def _encoded(parts: Sequence[tuple[str, str | bytes]], boundary: str, kind: str) -> bytes:
    body = b""
    for name, value in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, bytes):
            head += f'; filename="upload"\r\nContent-Type: {kind}'
        data = value if isinstance(value, bytes) else value.encode()
        body += f"{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()
