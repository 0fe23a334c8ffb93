"""The OpenAPI document of a gateway's REST routes, from the schema: its comments, its rules, its presentation."""

from importlib import metadata
from typing import Any, TypeAlias

from google.protobuf import descriptor

from gthulhu.gateway import comments, routes, schemas
from gthulhu.v1 import options_pb2

Document: TypeAlias = dict[str, Any]

_ACCESS: Any = options_pb2.access  # an extension, which the generated types call a descriptor

_ERROR: Document = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "For programs: stable, UPPER_SNAKE, one for each case."},
        "fields": {
            "type": "array",
            "description": "The fields at fault, where the input is.",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
    },
}
_FAILED: Document = {
    "description": "400 input, 401 no or no valid token, 403 not allowed, 404 no such thing, 409 changed or taken "
    "meanwhile, 413 too large, 429 too often, 500 a fault of the service, 503 not now, 504 too slow.",
    "headers": {"retry-after": {"description": "With 429 and 503: seconds.", "schema": {"type": "integer"}}},
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_TITLE = {"manager": "Gthulhu", "agent": "Gthulhu agent"}
_HTTP_BODY = "google.api.HttpBody"


def document(kind: routes.Kind) -> Document:
    """Return the document for a gateway of this kind."""
    made = schemas.Schemas()
    paths: dict[str, Document] = {}
    for route in routes.routes(kind):
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, made)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE[kind],
            "version": metadata.version("gthulhu"),
            "description": "Answers stand in an envelope (success, data, timestamp) unless noted otherwise. Keys may "
            "be written in lowerCamelCase or snake_case; unknown keys of a body are ignored.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": service.name, "description": comments.comments()[service.full_name]}
            for service in routes.services(kind)
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR, **dict(sorted(made.components.items()))},
            "responses": {"Failed": _FAILED},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: routes.Route, made: schemas.Schemas) -> Document:
    rpc = route.rpc
    access = rpc.GetOptions().Extensions[_ACCESS]
    text = comments.comments()[rpc.full_name]
    body = _request_body(route, made)
    parameters = _parameters(route, made)
    return {
        "operationId": f"{rpc.containing_service.name}_{rpc.name}",
        "tags": [rpc.containing_service.name],
        "summary": text.split(". ", maxsplit=1)[0].removesuffix("."),
        "description": text,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body else {}),
        "responses": {"200": _answer(route, made), "default": {"$ref": "#/components/responses/Failed"}},
        "security": [] if access.public else [{"token": []}],
    }


def _parameters(route: routes.Route, made: schemas.Schemas) -> list[Document]:
    """Return what stands in the path, and what may stand in the query.

    What a body may hold as a whole (`body: "*"`) a DELETE may have in the query instead.
    """
    in_query = not route.body or route.method == "DELETE"
    found = []
    for field in route.rpc.input_type.fields:
        if field.name in route.variables:
            found.append(_parameter(field, made, place="path", name=field.name))
        elif in_query:
            found.append(_parameter(field, made, place="query", name=field.json_name))
    return found


def _parameter(field: descriptor.FieldDescriptor, made: schemas.Schemas, *, place: str, name: str) -> Document:
    schema = made.field(field)
    text = schema.pop("description", "")
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, "description": text, "schema": schema}


def _request_body(route: routes.Route, made: schemas.Schemas) -> Document | None:
    if not route.body:
        return None
    whole = route.rpc.input_type
    message = whole if route.body == "*" else whole.fields_by_name[route.body].message_type
    if message is None:
        raise TypeError(f"{route.rpc.full_name}: the body {route.body!r} is no message")
    needed = route.method != "DELETE" and bool(message.fields)
    return {"required": needed, "content": {"application/json": {"schema": made.reference(message)}}}


def _answer(route: routes.Route, made: schemas.Schemas) -> Document:
    message = route.rpc.output_type
    text = comments.comments().get(message.full_name, "Done.")
    if message.full_name == _HTTP_BODY:
        return {"description": "As docs/reference/rest.md says.", "content": {"*/*": {}}}
    if route.stream:
        text = f"{text} One event each, its data as JSON, in which 64-bit integers are strings."
        return {"description": text, "content": {"text/event-stream": {"schema": made.reference(message)}}}
    schema = made.reference(message) if route.bare else _envelope(message, made)
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _envelope(message: descriptor.Descriptor, made: schemas.Schemas) -> Document:
    data = {"data": made.reference(message)} if message.fields else {}
    return {
        "type": "object",
        "required": ["success", *data, "timestamp"],
        "properties": {
            "success": {"const": True},
            **data,
            "timestamp": {"type": "string", "format": "date-time"},
        },
    }
