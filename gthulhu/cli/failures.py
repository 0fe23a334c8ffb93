"""Every error as one clear line."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gthulhu.common import errors


def line(error: errors.DomainError | grpc.RpcError) -> str:
    """Return what went wrong: the reason, the message, and the fields where the message does not name them."""
    if isinstance(error, errors.DomainError):
        return _line(error.reason, error.message, [(one.field, one.description) for one in error.fields])
    if not isinstance(error, grpc.Call):
        return _line("UNKNOWN", str(error), [])
    status = rpc_status.from_call(error)
    reason = str(error.code().name)
    fields: list[tuple[str, str]] = []
    for detail in status.details if status else ():
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad_request):
            fields = [(one.field, one.description) for one in bad_request.field_violations]
    return _line(reason, error.details() or "", fields)


def _line(reason: str, message: str, fields: list[tuple[str, str]]) -> str:
    unnamed = [f"{field}: {description}" for field, description in fields if field not in message]
    return " ".join(f"{reason}: {'; '.join([message, *unnamed])}".split())
