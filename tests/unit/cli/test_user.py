"""What is kept of a login, and how errors read."""

import pathlib

import grpc
import pytest

from gthulhu.cli import failures
from gthulhu.cli.user import connection, credentials
from gthulhu.common import errors

LOGIN = credentials.Credentials(
    server="http://127.0.0.1:1", username="admin", access_token="a", refresh_token="r", expires_at=1.0
)


@pytest.fixture(autouse=True)
def _home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_tokens_are_kept_for_the_user_only() -> None:
    credentials.save(LOGIN)
    assert credentials.load() == LOGIN
    assert credentials.path().stat().st_mode & 0o777 == 0o600
    assert credentials.path().parent.stat().st_mode & 0o777 == 0o700


def test_without_a_login_it_is_said_what_to_do() -> None:
    with pytest.raises(errors.UnauthenticatedError, match="gthulhu login"):
        connection.Connection.of_user()


@pytest.mark.parametrize("server", ["ftp://host", "http://", ""])
def test_a_server_has_to_be_a_url(server: str) -> None:
    with pytest.raises(errors.InvalidInputError, match="server"):
        connection.open_channel(server=server, ca="")


def test_an_error_is_one_line_with_the_fields_that_the_message_does_not_name() -> None:
    error = errors.InvalidInputError(
        "INVALID_ARGUMENT",
        "priority: 33 is not\nallowed",
        fields=[errors.FieldViolation("priority", "33"), errors.FieldViolation("executionTime", "-5")],
    )
    assert failures.line(error) == "INVALID_ARGUMENT: priority: 33 is not allowed; executionTime: -5"


def test_a_server_that_is_not_there_is_one_line_too() -> None:
    with connection.open_channel(server="http://127.0.0.1:9", ca="") as channel:
        call = channel.unary_unary("/gthulhu.v1.SystemService/GetHealth")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=5)
    line = failures.line(caught.value)
    assert line.startswith("UNAVAILABLE: ")
    assert "\n" not in line
