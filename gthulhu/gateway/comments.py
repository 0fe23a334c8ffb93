"""The comments of the schema, which are its documentation."""

import functools
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf import descriptor_pb2

_FILE = descriptor_pb2.FileDescriptorProto
_MESSAGE = descriptor_pb2.DescriptorProto
_SERVICE = descriptor_pb2.ServiceDescriptorProto
_ENUM = descriptor_pb2.EnumDescriptorProto
Path = tuple[int, ...]
"""Where something stands in its file: field numbers and positions, as in descriptor.proto's SourceCodeInfo."""


@functools.cache
def comments() -> Mapping[str, str]:
    """Return the comment on every message, field, enum, value, service and RPC, by full name."""
    compiled = importlib.resources.files("gthulhu.v1").joinpath("gthulhu.binpb").read_bytes()
    found: dict[str, str] = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        if file.package.startswith("gthulhu."):
            names = dict(_named(file))
            for location in file.source_code_info.location:
                if location.leading_comments and (name := names.get(tuple(location.path))):
                    found[name] = " ".join(location.leading_comments.split())
    return found


def _named(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    for i, service in enumerate(file.service):
        path: Path = (_FILE.SERVICE_FIELD_NUMBER, i)
        name = f"{file.package}.{service.name}"
        yield path, name
        for j, rpc in enumerate(service.method):
            yield (*path, _SERVICE.METHOD_FIELD_NUMBER, j), f"{name}.{rpc.name}"
    yield from _messages(file.message_type, (_FILE.MESSAGE_TYPE_FIELD_NUMBER,), file.package)
    yield from _enums(file.enum_type, (_FILE.ENUM_TYPE_FIELD_NUMBER,), file.package)


def _messages(
    messages: Iterable[descriptor_pb2.DescriptorProto], above: Path, prefix: str
) -> Iterator[tuple[Path, str]]:
    for i, message in enumerate(messages):
        path, name = (*above, i), f"{prefix}.{message.name}"
        yield path, name
        for j, field in enumerate(message.field):
            yield (*path, _MESSAGE.FIELD_FIELD_NUMBER, j), f"{name}.{field.name}"
        yield from _messages(message.nested_type, (*path, _MESSAGE.NESTED_TYPE_FIELD_NUMBER), name)
        yield from _enums(message.enum_type, (*path, _MESSAGE.ENUM_TYPE_FIELD_NUMBER), name)


def _enums(enums: Iterable[descriptor_pb2.EnumDescriptorProto], above: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for i, enum in enumerate(enums):
        path, name = (*above, i), f"{prefix}.{enum.name}"
        yield path, name
        for j, value in enumerate(enum.value):
            yield (*path, _ENUM.VALUE_FIELD_NUMBER, j), f"{name}.{value.name}"
