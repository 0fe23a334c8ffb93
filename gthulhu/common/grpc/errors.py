"""From errors to gRPC statuses, and to the REST errors that the gateway passes on.

A `DomainError` leaves as it is: a status with google.rpc details (`ErrorInfo`, `BadRequest`, `RetryInfo`), and, as
trailing metadata, the HTTP status and the finished JSON body for REST clients. Whatever else is raised is a fault of
ours: the caller gets INTERNAL and an incident id, the log gets the traceback under the same id.
"""

import contextlib
import json
import logging
import math
import secrets
from collections.abc import AsyncIterator

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from gthulhu.common import errors
from gthulhu.common.grpc import interception

DOMAIN = "gthulhu"
REST_STATUS = "x-rest-status"
REST_ERROR = "x-rest-error"
RETRY_AFTER = "retry-after"

# Clients of gRPC take 8 KiB of metadata in all: so much fits the REST error, the status details (which grow by a
# third in base64) and the message (which may grow threefold when it is percent-encoded).
_MAX_REST = 3072
_MAX_DETAILS = 2048
_MAX_MESSAGE = 500
_MAX_DESCRIPTION = 300
_MAX_FIELDS = 64

_STATUS: dict[type[errors.DomainError], tuple[grpc.StatusCode, int]] = {
    errors.InvalidInputError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    errors.UnauthenticatedError: (grpc.StatusCode.UNAUTHENTICATED, 401),
    errors.PermissionDeniedError: (grpc.StatusCode.PERMISSION_DENIED, 403),
    errors.NotFoundError: (grpc.StatusCode.NOT_FOUND, 404),
    errors.ConflictError: (grpc.StatusCode.ABORTED, 409),
    errors.PreconditionError: (grpc.StatusCode.FAILED_PRECONDITION, 400),
    errors.ResourceExhaustedError: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    errors.UnavailableError: (grpc.StatusCode.UNAVAILABLE, 503),
    errors.DeadlineError: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
}
_INTERNAL = (grpc.StatusCode.INTERNAL, 500)

_log = logging.getLogger(__name__)


class ErrorInterceptor(interception.Interceptor):
    """Turns what handlers raise into statuses; cancellation passes."""

    @contextlib.asynccontextmanager
    async def around(self, method: str, context: interception.Context) -> AsyncIterator[None]:
        """End the RPC with a status where the handler raises."""
        try:
            yield
        except grpc.aio.AbortError:
            raise  # the status is on its way already
        except Exception as error:  # noqa: BLE001 - the outermost place: nothing may leave unmapped
            known = _domain_error(error) or _incident(error, method=method)
            code, details, trailing = status(known)
            await context.abort(code, details, (*(context.trailing_metadata() or ()), *trailing))


def status(error: errors.DomainError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Return an error's gRPC status: code, message and trailing metadata."""
    code, http = _code(error)
    error = _fitted(error)
    trailing: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", _details(error, code).SerializeToString()),
        (REST_STATUS, str(http)),
        (REST_ERROR, rest_body(error)),
    ]
    if error.retry_after is not None:
        trailing.append((RETRY_AFTER, str(max(1, math.ceil(error.retry_after)))))
    return code, error.message, tuple(trailing)


def rest_body(error: errors.DomainError) -> str:
    """Return an error as REST shows it: JSON, ASCII only, so that it can travel as metadata."""
    body: dict[str, object] = {"success": False, "error": error.message, "code": error.reason}
    if error.fields:
        body["fields"] = [{"field": item.field, "description": item.description} for item in error.fields]
    return json.dumps(body, separators=(",", ":"))


def _code(error: errors.DomainError) -> tuple[grpc.StatusCode, int]:
    if isinstance(error, errors.ConflictError) and error.reason.endswith("_EXISTS"):
        return grpc.StatusCode.ALREADY_EXISTS, 409
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), _INTERNAL)


def _details(error: errors.DomainError, code: grpc.StatusCode) -> status_pb2.Status:
    result = status_pb2.Status(code=code.value[0], message=error.message)
    parts = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if error.fields:
        parts.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=item.field, description=item.description)
                    for item in error.fields
                ]
            )
        )
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(math.ceil(error.retry_after * 1000))
        parts.append(error_details_pb2.RetryInfo(retry_delay=delay))
    for part in parts:
        packed = any_pb2.Any()
        packed.Pack(part)
        result.details.append(packed)
    return result


def _fitted(error: errors.DomainError) -> errors.DomainError:
    """Return the error with its texts shortened, and with as many of its fields as fit, saying how many do not."""
    message = shortened(error.message, _MAX_MESSAGE)
    fields = [
        errors.FieldViolation(shortened(item.field, _MAX_DESCRIPTION), shortened(item.description, _MAX_DESCRIPTION))
        for item in error.fields[:_MAX_FIELDS]
    ]

    def with_fields(count: int) -> errors.DomainError:
        left = len(error.fields) - count
        text = f"{message} (and {left} more fields)" if left else message
        return errors.DomainError(error.reason, text, fields=fields[:count], retry_after=error.retry_after)

    def fits(candidate: errors.DomainError) -> bool:
        details = _details(candidate, grpc.StatusCode.UNKNOWN)
        return len(rest_body(candidate)) <= _MAX_REST and details.ByteSize() <= _MAX_DETAILS

    candidates = map(with_fields, range(len(fields), 0, -1))
    return next(filter(fits, candidates), with_fields(0))


def shortened(text: str, limit: int) -> str:
    """Return a text of at most so many UTF-8 bytes, with "…" in place of what is cut off."""
    encoded = text[: limit + 1].encode(errors="replace")  # a character is a byte at least
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"


def _domain_error(error: BaseException) -> errors.DomainError | None:
    """Return the error meant for the caller: itself, or the first of a task group that failed with nothing else."""
    if isinstance(error, errors.DomainError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_domain_error(part) for part in error.exceptions]
        return found[0] if None not in found else None
    return None


def _incident(error: Exception, *, method: str) -> errors.DomainError:
    incident = secrets.token_hex(6)
    _log.error("incident %s in %s", incident, method, exc_info=error, extra={"incident": incident})
    return errors.DomainError("INTERNAL", f"internal error, incident {incident}")
