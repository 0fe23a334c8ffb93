"""Prometheus metrics over plain HTTP: one path, one answer."""

import asyncio
import contextlib
import logging
import urllib.parse
from collections.abc import AsyncIterator, Callable

from gthulhu.common import errors

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LONGEST_REQUEST = 8192
"""Bytes of request line and headers."""
_PATIENCE = 5.0
"""Seconds that a client may take to ask, and to read."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serving(*, address: str, text: Callable[[], bytes]) -> AsyncIterator[int]:
    """Serve `GET /metrics` while the block runs; yields the port.

    Args:
        address: host:port; an empty host means every address, port 0 any free port.
        text: Returns the metrics now; called on the event loop.

    Raises:
        PreconditionError: `ADDRESS_UNUSABLE`.
    """
    host, port = split(address)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(request, text))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _log.debug("metrics not sent: %r", error)
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, host or None, port, limit=_LONGEST_REQUEST)
    except OSError as error:
        raise errors.PreconditionError(
            "ADDRESS_UNUSABLE", f"{address} cannot be listened on: {error.strerror}"
        ) from None
    async with server:
        yield server.sockets[0].getsockname()[1]


def split(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `:port` or `[v6]:port`.

    Raises:
        PreconditionError: `ADDRESS_UNUSABLE`: it is none of these.
    """
    try:
        parts = urllib.parse.urlsplit(f"//{address}")
        port = parts.port
    except ValueError:
        port = None
    if port is None or parts.path or parts.query:
        raise errors.PreconditionError("ADDRESS_UNUSABLE", f"{address!r} is not of the form host:port")
    return parts.hostname or "", port


def _response(request: bytes, text: Callable[[], bytes]) -> bytes:
    method, _, rest = request.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        return _http("404 Not Found", b"metrics are at /metrics\n")
    if method not in (b"GET", b"HEAD"):
        return _http("405 Method Not Allowed", b"GET only\n", "Allow: GET, HEAD\r\n")
    whole = _http("200 OK", text())
    return whole if method == b"GET" else whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _http(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n{headers}"
    return head.encode() + b"Connection: close\r\n\r\n" + body
