"""A channel to the gateway, and the token that goes with each call."""

import pathlib
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

import grpc

from gthulhu.cli.user import credentials as logins
from gthulhu.common import errors
from gthulhu.v1 import auth_pb2, auth_pb2_grpc

CALL_SECONDS = 10.0
_RENEW_SECONDS = 60.0
"""A token that ends sooner is exchanged first: the call that it is for takes time too."""

Answer = TypeVar("Answer")


def open_channel(*, server: str, ca: str) -> grpc.Channel:
    """Return a channel to a gateway: TLS where the URL says https, else plain text."""
    url = urllib.parse.urlsplit(server if "//" in server else f"//{server}", scheme="http")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise errors.InvalidInputError.of_field("server", f"{server!r} is not http://host:port or https://host:port")
    target = f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"
    if url.scheme == "http":
        return grpc.insecure_channel(target)
    root = pathlib.Path(ca).read_bytes() if ca else None
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(root_certificates=root))


class Connection:
    """Calls the gateway for the user who is logged in."""

    def __init__(self, login: logins.Credentials) -> None:
        """Open the channel."""
        self._login = login
        self.channel = open_channel(server=login.server, ca=login.ca)

    @classmethod
    def of_user(cls) -> Self:
        """Return the last login's connection; `UnauthenticatedError` where nobody has logged in."""
        login = logins.load()
        if login is None:
            raise errors.UnauthenticatedError("NOT_LOGGED_IN", "nobody is logged in: run `gthulhu login` first")
        return cls(login)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the channel."""
        self.channel.close()

    @property
    def server(self) -> str:
        """The gateway's URL."""
        return self._login.server

    @property
    def username(self) -> str:
        """Who is logged in."""
        return self._login.username

    def call(self, method: Callable[..., Answer], request: Any) -> Answer:  # noqa: ANN401 - each stub has its own type
        """Call a stub's method with the user's token, exchanged first where it is about to end."""
        return method(request, metadata=self._metadata(), timeout=CALL_SECONDS)

    def stream(self, method: Callable[..., Iterable[Answer]], request: Any) -> Iterator[Answer]:  # noqa: ANN401 - as above
        """Yield what a stub's method streams; where the token ends meanwhile, ask again with the next.

        The request is sent as it is then: who changes it while reading goes on where it was.
        """
        while True:
            try:
                yield from method(request, metadata=self._metadata())
            except grpc.RpcError as error:
                if not isinstance(error, grpc.Call) or error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
                self._renew()
            else:
                return

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        if self._login.expires_at - time.time() < _RENEW_SECONDS:
            self._renew()
        return (("authorization", f"Bearer {self._login.access_token}"),)

    def _renew(self) -> None:
        request = auth_pb2.RefreshRequest(refresh_token=self._login.refresh_token)
        answer = auth_pb2_grpc.AuthServiceStub(self.channel).Refresh(request, timeout=CALL_SECONDS)
        self._login = of_answer(answer, server=self._login.server, username=self._login.username, ca=self._login.ca)
        logins.save(self._login)


def of_answer(answer: auth_pb2.LoginResponse, *, server: str, username: str, ca: str) -> logins.Credentials:
    """Return what is kept of a login's answer."""
    return logins.Credentials(
        server=server,
        username=username,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=answer.expires_at.ToSeconds(),
        ca=ca,
    )
