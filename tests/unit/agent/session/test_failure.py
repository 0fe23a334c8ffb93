"""What the end of a session means."""

import grpc
import pytest

from gthulhu.agent.session import failure
from gthulhu.common import errors
from gthulhu.common.grpc import errors as grpc_errors


def ending(error: errors.DomainError) -> failure.Ending:
    code, details, trailing = grpc_errors.status(error)
    return failure.of_status(
        grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details=details)
    )


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.UnavailableError("SESSION_REPLACED", "x"), failure.Meaning.BACK_OFF),
        (errors.InvalidInputError("INVALID_ARGUMENT", "x"), failure.Meaning.BACK_OFF),
        (errors.ResourceExhaustedError("TOO_MANY", "x"), failure.Meaning.BACK_OFF),
        (errors.UnauthenticatedError("TOKEN_EXPIRED", "x"), failure.Meaning.RENEW),
        (errors.PermissionDeniedError("NODE_MISMATCH", "x"), failure.Meaning.STOP),
    ],
)
def test_the_kind_of_the_status_decides(error: errors.DomainError, meaning: failure.Meaning) -> None:
    found = ending(error)
    assert found.meaning is meaning
    assert f"[{error.reason}] x" in found.text, "the log names the reason"


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_what_storms_of_connections_look_like_passes(code: grpc.StatusCode) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())
    assert failure.of_status(error).meaning is failure.Meaning.BACK_OFF


def test_a_stream_that_just_ends_is_tried_again() -> None:
    assert failure.of_status(None).meaning is failure.Meaning.BACK_OFF
