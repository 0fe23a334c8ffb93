"""What the end of a session means for the agent: decided by the status's kind, never by its text."""

import dataclasses
import enum

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class Meaning(enum.Enum):
    """What to do next."""

    MOVE = "move"
    """The manager is about to stop: connect again, elsewhere if there is another."""
    BACK_OFF = "back off"
    """Trouble that passes: connect again, later each time."""
    RENEW = "renew"
    """The identity is not taken any more: get a new one, then connect again."""
    STOP = "stop"
    """The identity is another node's: trying again cannot help, somebody has to look."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a session ended."""

    meaning: Meaning
    code: str
    """The gRPC status's name, or a word of ours: for metrics."""
    text: str
    """For the log."""


_MEANINGS = {
    grpc.StatusCode.UNAUTHENTICATED: Meaning.RENEW,
    grpc.StatusCode.PERMISSION_DENIED: Meaning.STOP,
}


def of_status(error: grpc.aio.AioRpcError | None) -> Ending:
    """Return what a status means; CANCELLED and INTERNAL are what storms of connections look like, and pass."""
    if error is None:
        return Ending(meaning=Meaning.BACK_OFF, code="OK", text="the manager closed the session")
    code = error.code()
    return Ending(
        meaning=_MEANINGS.get(code, Meaning.BACK_OFF),
        code=code.name,
        text=f"{code.name} {_reason(error)}{error.details() or ''}",
    )


def _reason(error: grpc.aio.AioRpcError) -> str:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details that contradict the status: a proxy's doing
        return ""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return f"[{info.reason}] "
    return ""
