"""Asks Envoy's admin interface."""

import asyncio
import contextlib
import http.client
import os
import pathlib
import socket

from gthulhu.gateway import options

_SECONDS = 2.0


async def get(address: str, path: str, *, folder: pathlib.Path) -> bytes:
    """Return the body of the answer to a GET, whatever its status.

    Args:
        address: As in `Options.admin`; a relative socket path is below `folder`.
        path: What to ask for.
        folder: Envoy's working folder.

    Raises:
        OSError: Nobody answers there.
    """
    return await asyncio.to_thread(_get, address, path, folder)


def _get(address: str, path: str, folder: pathlib.Path) -> bytes:
    connection = http.client.HTTPConnection("envoy")
    with contextlib.closing(connection):
        connection.sock = _connect(address, folder)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no proper answer from the admin interface: {error}") from error


def _connect(address: str, folder: pathlib.Path) -> socket.socket:
    if not address.startswith("unix:"):
        return socket.create_connection(options.split(address), timeout=_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_SECONDS)
    # Through a descriptor, because a socket's path may have 107 bytes and state folders may be deep.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(str(pathlib.Path(f"/proc/self/fd/{descriptor}", address.removeprefix("unix:"))))
    except OSError:
        connection.close()
        raise
    finally:
        os.close(descriptor)
    return connection
