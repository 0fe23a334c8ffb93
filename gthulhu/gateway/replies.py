"""The answers that Envoy makes itself, in the shape of all other errors."""

from collections.abc import Sequence

from gthulhu.gateway import envoy

_OWN_WORDS = "%LOCAL_REPLY_BODY%"

_REPLIES: Sequence[tuple[int, int, str, str]] = (
    # status of Envoy's, status for the client, code, text
    (400, 400, "INVALID_JSON", _OWN_WORDS),
    (403, 403, "ADDRESS_REFUSED", "this is not open to your address"),
    (404, 404, "NOT_FOUND", "there is no such path"),
    (405, 405, "METHOD_NOT_ALLOWED", "the path does not know this method; see the header Allow"),
    (408, 408, "REQUEST_TIMEOUT", "the request did not arrive in time"),
    (413, 413, "PAYLOAD_TOO_LARGE", "the body is larger than 1 MiB"),
    (415, 400, "INVALID_JSON", "the body must be application/json"),
    (429, 429, "TOO_MANY_ATTEMPTS", "too many attempts to log in from this address; wait a minute"),
    (431, 431, "HEADERS_TOO_LARGE", "the headers are larger than 60 KiB"),
    (502, 503, "UNAVAILABLE", "the service behind the gateway did not answer properly; try again"),
    (503, 503, "UNAVAILABLE", "the service behind the gateway cannot be reached; try again"),
    (504, 504, "DEADLINE_EXCEEDED", "the service behind the gateway did not answer in time"),
)
_RETRY_AFTER = {429: "60", 503: "1"}


def local_replies() -> envoy.Config:
    """Return the mapping from Envoy's own answers to the error shape, for everything but native gRPC."""
    mappers = [_improper(), *(_mapper(*reply) for reply in _REPLIES)]
    rest = {"op": "GE", "value": {"default_value": 400, "runtime_key": "gateway.first_error"}}
    mappers.append({"filter": _for_rest(rest), "body_format_override": _shape("ERROR", _OWN_WORDS)})
    return {"mappers": mappers}


def _improper() -> envoy.Config:
    """Return the mapping for what is refused before there is a request, without a word: it breaks HTTP's own rules."""
    return {
        "filter": {"header_filter": {"header": {"name": ":path", "present_match": True, "invert_match": True}}},
        "body_format_override": _shape("REQUEST_IMPROPER", "this is no proper HTTP request, or no method of HTTP's"),
    }


def _mapper(status: int, shown: int, code: str, text: str) -> envoy.Config:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"gateway.error_{status}"}}
    mapper: envoy.Config = {"filter": _for_rest(comparison), "body_format_override": _shape(code, text)}
    if shown != status:
        mapper["status_code"] = shown
    if shown in _RETRY_AFTER:
        header = {"key": "retry-after", "value": _RETRY_AFTER[shown]}
        mapper["headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return mapper


def _for_rest(comparison: envoy.Config) -> envoy.Config:
    """Leave out native gRPC, whose clients get status and text in gRPC's own form.

    A request that has been transcoded looks like gRPC by now, but for its original path.
    """
    not_grpc = {
        "name": "content-type",
        "string_match": {"prefix": "application/grpc"},
        "treat_missing_header_as_empty": True,
        "invert_match": True,
    }
    transcoded = {"name": "x-envoy-original-path", "present_match": True}
    rest = {
        "or_filter": {"filters": [{"header_filter": {"header": not_grpc}}, {"header_filter": {"header": transcoded}}]}
    }
    return {"and_filter": {"filters": [{"status_code_filter": {"comparison": comparison}}, rest]}}


def _shape(code: str, text: str) -> envoy.Config:
    return {"json_format": {"success": False, "error": text, "code": code}}
