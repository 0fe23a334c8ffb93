"""JSON Schemas of the messages as REST shows them, with the rules that protovalidate checks."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from google.api import field_behavior_pb2
from google.protobuf import descriptor, descriptor_pool

from gthulhu.common import protorules
from gthulhu.gateway import comments

Schema: TypeAlias = dict[str, Any]

_FIELD = descriptor.FieldDescriptor
_RULES: Any = descriptor_pool.Default().FindExtensionByName(f"{protorules.DESCRIPTOR.package}.field")
_SCALARS: Mapping[int, Schema] = {
    _FIELD.TYPE_BOOL: {"type": "boolean"},
    _FIELD.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _FIELD.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _FIELD.TYPE_INT32: {"type": "integer", "format": "int32"},
    _FIELD.TYPE_INT64: {"type": "integer", "format": "int64"},
    _FIELD.TYPE_STRING: {"type": "string"},
    _FIELD.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    _FIELD.TYPE_UINT64: {"type": "integer", "format": "uint64", "minimum": 0},
}
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$", "examples": ["1.5s"]},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}
_KEYWORDS: Mapping[str, Mapping[str, str]] = {
    "string": {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "in": "enum"},
    "int32": {"gte": "minimum", "lte": "maximum"},
    "int64": {"gte": "minimum", "lte": "maximum"},
    "repeated": {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"},
}
"""JSON Schema's words for protovalidate's, by the type of the rule."""


class Schemas:
    """Makes schemas, and remembers which messages they refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        """Schemas by name, for `#/components/schemas`."""

    def reference(self, message: descriptor.Descriptor) -> Schema:
        """Return a reference to a message's schema, and see to it that there is one."""
        name = _name(message)
        if name not in self.components:
            self.components[name] = {}  # a place in the order, before those that it refers to
            self.components[name] = self._object(message)
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: descriptor.FieldDescriptor) -> Schema:
        """Return a field's schema: type, rules, documentation."""
        schema = self._type(field)
        notes = [comments.comments().get(field.full_name, "")]
        options = field.GetOptions()
        if options.HasExtension(_RULES):
            rules = options.Extensions[_RULES]
            schema |= _constraints(rules)
            notes += [f"It {rule.message}." for rule in rules.cel]
        if field_behavior_pb2.OUTPUT_ONLY in options.Extensions[field_behavior_pb2.field_behavior]:
            schema["readOnly"] = True
        if text := " ".join(note for note in notes if note):
            schema["description"] = text
        return schema

    def _object(self, message: descriptor.Descriptor) -> Schema:
        required = [field.json_name for field in message.fields if _required(field)]
        return {
            "type": "object",
            "description": comments.comments().get(message.full_name, ""),
            "properties": {field.json_name: self.field(field) for field in message.fields},
            **({"required": required} if required else {}),
        }

    def _type(self, field: descriptor.FieldDescriptor) -> Schema:
        if field.message_type and field.message_type.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._one(field.message_type.fields_by_name["value"])}
        return {"type": "array", "items": self._one(field)} if field.is_repeated else self._one(field)

    def _one(self, field: descriptor.FieldDescriptor) -> Schema:
        if field.enum_type:
            return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
        if not field.message_type:
            return dict(_SCALARS[field.type])
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return dict(known) if known else self.reference(field.message_type)


def _constraints(rules: Any) -> Schema:  # noqa: ANN401 - protovalidate's class exists at run time only
    kind = rules.WhichOneof("type")
    if kind not in _KEYWORDS:
        return {}
    typed = getattr(rules, kind)
    found: Schema = {}
    for field, value in typed.ListFields():
        if keyword := _KEYWORDS[kind].get(field.name):
            found[keyword] = list(value) if field.is_repeated else value
    if kind == "repeated" and typed.HasField("items"):
        # The items' type is that of the field; what is added here is merged into it by allOf.
        found["allOf"] = [{"items": _constraints(typed.items)}]
    return found


def _required(field: descriptor.FieldDescriptor) -> bool:
    options = field.GetOptions()
    if not options.HasExtension(_RULES):
        return False
    rules = options.Extensions[_RULES]
    return bool(rules.required or (rules.WhichOneof("type") == "string" and rules.string.min_len))


def _name(message: descriptor.Descriptor) -> str:
    return message.full_name.removeprefix(f"{message.file.package}.")
