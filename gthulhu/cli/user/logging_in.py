"""Logging in, with the change of a password that has to be changed."""

from collections.abc import Callable, Iterator

from gthulhu.cli.user import connection, credentials
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, user_pb2, user_pb2_grpc


def login(*, server: str, username: str, password: str, ca: str, new_password: Callable[[], str]) -> Iterator[str]:
    """Exchange a password for tokens and keep them; yields lines.

    Args:
        server: The gateway's URL.
        username: A name, or an e-mail address.
        password: The user's.
        ca: Path of a CA certificate; empty: the machine's.
        new_password: Asks for another, where the password has to be changed.
    """
    with connection.open_channel(server=server, ca=ca) as channel:
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        request = auth_pb2.LoginRequest(username=username, password=password)
        if "@" in username:
            request = auth_pb2.LoginRequest(email=username, password=password)
        answer = stub.Login(request, timeout=connection.CALL_SECONDS)
        if answer.need_change_password:
            request.password = new_password()
            user_pb2_grpc.UserServiceStub(channel).ChangeOwnPassword(
                user_pb2.ChangeOwnPasswordRequest(old_password=password, new_password=request.password),
                metadata=(("authorization", f"Bearer {answer.access_token}"),),
                timeout=connection.CALL_SECONDS,
            )
            answer = stub.Login(request, timeout=connection.CALL_SECONDS)
            yield "the password is changed"
    credentials.save(connection.of_answer(answer, server=server, username=username, ca=ca))
    yield f"logged in to {server} as {username}; tokens are in {credentials.path()}"
