"""Checks requests against the rules that stand in the schema, before any handler sees them."""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Sequence, Sized

import protovalidate
from google.protobuf import message

from gthulhu.common import errors
from gthulhu.common.grpc import errors as grpc_errors
from gthulhu.common.grpc import interception

_SECRET = re.compile(r"password|token|secret")
_SHOWN = 64
"""Bytes of a value that an error repeats."""

_DNS_LABEL = "1 to 63 lower-case letters, digits and '-', no '-' at an end"
_DNS_NAME = "1 to 253 lower-case letters, digits, '-' and '.', no '-' or '.' at an end"
_ROLE_NAME = "1 to 63 lower-case letters, digits, '-', '_' and '.', a letter or digit at both ends"
_LABEL_NAME = "1 to 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"
PATTERNS = {
    "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$": _DNS_LABEL,
    "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$": f"empty, or {_DNS_LABEL}",
    "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$": f"empty, or {_DNS_NAME}",
    "^([a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?)?$": f"empty, or {_DNS_NAME.replace('253', '63')}",
    "^[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$": _ROLE_NAME,
    "^([a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?)?$": f"empty, or {_ROLE_NAME}",
    "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$": f"empty, or {_LABEL_NAME}",
    "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$": (
        f"{_LABEL_NAME}; before them, if wanted, a DNS name and '/'"
    ),
    "^[A-Za-z0-9][A-Za-z0-9._@+-]*$": "letters, digits, '.', '_', '@', '+' and '-', a letter or digit first",
    r"^([^@\s]+@[^@\s]+)?$": "empty, or an e-mail address",
}
"""What the schema's patterns mean, in words."""

_MALFORMED = object()
"""In place of a request that could not be read: gRPC itself would answer UNKNOWN, with the parser's words."""


class ValidationInterceptor(interception.Interceptor):
    """Refuses requests, and single messages of request streams, that break a rule.

    Handlers of request streams must read from their iterator: what `context.read` returns is not checked.
    """

    @contextlib.asynccontextmanager
    async def around(self, method: str, context: interception.Context) -> AsyncIterator[None]:  # noqa: ARG002 - see base
        """Do nothing of its own."""
        yield

    def check(self, request: message.Message) -> None:
        """See `check`; what is no message at all is refused likewise."""
        if request is _MALFORMED:
            raise errors.InvalidInputError("MALFORMED_MESSAGE", "the request is no message that this method takes")
        check(request)

    def _wrap(self, handler: interception.Handler, method: str) -> interception.Handler:
        decode = handler.request_deserializer
        if decode is None:  # it takes bytes as they are
            return super()._wrap(handler, method)

        def decode_or_mark(content: bytes) -> object:
            try:
                return decode(content)
            except message.DecodeError:
                return _MALFORMED

        # Handlers are named tuples, which the stubs do not say.
        tolerant = handler._replace(request_deserializer=decode_or_mark)  # type: ignore[attr-defined]
        return super()._wrap(tolerant, method)


def check(request: message.Message) -> None:
    """Raise `InvalidInputError` (`INVALID_ARGUMENT`) with every field that breaks a rule of the schema."""
    violations = protovalidate.collect_violations(request)
    if not violations:
        return
    found: dict[str, errors.FieldViolation] = {}
    for item in violations:
        explained = _explained(item, request)
        found.setdefault(explained.field, explained)  # one reason for a field is enough
    first = next(iter(found.values()))
    raise errors.InvalidInputError(
        "INVALID_ARGUMENT", f"{first.field}: {first.description}", fields=tuple(found.values())
    )


def _explained(violation: protovalidate.Violation, request: message.Message) -> errors.FieldViolation:
    kind, path, field = request.DESCRIPTOR, "", None
    for element in violation.proto.field.elements if violation.proto.field else ():
        if element.field_name in kind.oneofs_by_name:
            allowed = ", ".join(option.json_name for option in kind.oneofs_by_name[element.field_name].fields)
            return errors.FieldViolation(f"{path}.{element.field_name}".lstrip("."), f"one of {allowed} must be given")
        field = kind.fields_by_name[element.field_name]
        path += ("." if path else "") + field.json_name
        if element.subscript is not None:
            path += f"[{json.dumps(element.subscript.value)}]"
        kind = field.message_type or kind
    enum = field.enum_type if field else None
    allowed = _allowed(violation, [value.name for value in enum.values if value.number] if enum else [])
    if violation.proto.rule_id == "required":
        return errors.FieldViolation(path, allowed)
    return errors.FieldViolation(path, f"{_shown(path, violation.field_value)} is not allowed: {allowed}")


def _allowed(violation: protovalidate.Violation, choices: Sequence[str]) -> str:
    limit = violation.rule_value
    words = {
        "required": "must be given",
        "string.pattern": f"must be {PATTERNS.get(str(limit), f'text that matches {limit}')}",
        "string.in": f"must be one of {json.dumps(limit, default=str)}",
        "enum.defined_only": f"must be one of {', '.join(choices)}",
        "repeated.unique": "must not hold the same item twice",
    }
    return words.get(violation.proto.rule_id) or re.sub(
        r"greater than or equal to (\S+) and less than or equal to (\S+)", r"\1 to \2", violation.proto.message
    )


def _shown(path: str, value: object) -> str:
    if _SECRET.search(path.lower()):
        return "the value (not shown)"
    match value:
        case str():
            return json.dumps(grpc_errors.shortened(value, _SHOWN), ensure_ascii=False)
        case bool() | int() | float():
            return json.dumps(value)
        case bytes():
            return f"{len(value)} bytes"
        case Sized():
            return f"a list of {len(value)}"
    return "the value"
