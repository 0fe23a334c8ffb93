"""Strategies as YAML: `apiVersion: gthulhu.io/v1`, `kind: SchedulingStrategy`, `metadata.name`, `spec`.

The keys of `spec` are those of ScheduleStrategy that a user writes; `metadata.namespace` is its strategyNamespace.
Unknown keys are errors that name the nearest known one.
"""

import collections
import datetime
import difflib
import pathlib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from google.api import field_behavior_pb2
from google.protobuf import descriptor, json_format

from gthulhu.common import errors, priority
from gthulhu.v1 import strategy_pb2

API_VERSION = "gthulhu.io/v1"
DEFAULT_NAMESPACE = "default"
KIND = "SchedulingStrategy"
SUFFIXES = (".yaml", ".yml", ".json")
STRATEGY = typing.cast("descriptor.Descriptor", strategy_pb2.ScheduleStrategy.DESCRIPTOR)
_FROM_METADATA = {"name", "strategyNamespace"}
_NOT_WRITTEN = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IMMUTABLE}
"""What only the manager sets, and what `apply` says itself when it creates."""


def read(paths: Iterable[pathlib.Path]) -> list[strategy_pb2.ScheduleStrategy]:
    """Return the strategies of files, and of the files in folders, in order.

    Raises:
        InvalidInputError: `MANIFEST_INVALID`, naming the file, the document in it, the key, and what is allowed.
    """
    strategies = []
    for file in _files(paths):
        try:
            documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise _invalid(str(file), f"cannot be read: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _invalid(str(file), f"is no YAML: {error}") from None
        for number, document in enumerate(documents, start=1):
            if document is not None:
                strategies.append(parse(document, where=f"{file} (document {number})"))
    if not strategies:
        raise _invalid(", ".join(map(str, paths)), "no strategies in it")
    for name, count in collections.Counter(map(title, strategies)).items():
        if count > 1:
            raise _invalid(", ".join(map(str, paths)), f"strategy {name} is written {count} times")
    return strategies


def title(one: strategy_pb2.ScheduleStrategy) -> str:
    """Return what tells a strategy from all others, for people: folder and name."""
    return f"{one.strategy_namespace or DEFAULT_NAMESPACE}/{one.name}"


def document(one: strategy_pb2.ScheduleStrategy) -> dict[str, Any]:
    """Return a strategy as a manifest that `parse` takes: what a user wrote, but for what is the default anyway."""
    spec = written(one)
    spec["executionTime"] = one.execution_time  # protobuf's JSON has it as text
    shown = {name for name, value in spec.items() if value or name == "priority"} - _FROM_METADATA
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": one.name, "namespace": one.strategy_namespace or DEFAULT_NAMESPACE},
        "spec": {field.json_name: spec[field.json_name] for field in written_fields() if field.json_name in shown},
    }


def dump(strategies: Iterable[strategy_pb2.ScheduleStrategy]) -> str:
    """Return strategies as YAML that can be applied, a document each."""
    documents = map(document, strategies)
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, explicit_start=True, width=120).rstrip()


def parse(document: object, *, where: str) -> strategy_pb2.ScheduleStrategy:
    """Return one document's strategy."""
    content = _mapping(document, where)
    _known(content, ("apiVersion", "kind", "metadata", "spec"), where)
    for key, value in (("apiVersion", API_VERSION), ("kind", KIND)):
        if content.get(key) != value:
            raise _invalid(f"{where}: {key}", f"{content.get(key)!r} is not {value!r}")
    metadata = _mapping(content.get("metadata"), f"{where}: metadata")
    _known(metadata, ("name", "namespace"), f"{where}: metadata")
    if not metadata.get("name"):
        raise _invalid(f"{where}: metadata.name", "is needed: it is what the strategy is found by again")
    spec = _mapping(content.get("spec"), f"{where}: spec")
    _check(spec, STRATEGY, f"{where}: spec")
    # In YAML an unquoted time is a time; protobuf's JSON wants text.
    plain = {key: value.isoformat() if isinstance(value, datetime.datetime) else value for key, value in spec.items()}
    if isinstance(time := spec.get("expiresAt"), datetime.datetime):
        plain["expiresAt"] = (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).isoformat()
    names = {"name": metadata["name"], "strategyNamespace": metadata.get("namespace", "")}
    try:
        return json_format.ParseDict({**plain, **names}, strategy_pb2.ScheduleStrategy())
    except json_format.ParseError as error:
        raise _invalid(f"{where}: spec", str(error)) from None


def written_fields() -> tuple[descriptor.FieldDescriptor, ...]:
    """Return the fields of ScheduleStrategy that a user writes."""
    return tuple(
        field
        for field in STRATEGY.fields
        if not _NOT_WRITTEN & set(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])
    )


def written(strategy: strategy_pb2.ScheduleStrategy) -> dict[str, Any]:
    """Return what a user has written of a strategy, complete with defaults, by JSON names."""
    names = {field.json_name for field in written_fields()}
    document = json_format.MessageToDict(strategy, always_print_fields_with_no_presence=True)
    document.setdefault("priority", priority.NEUTRAL)
    document["strategyNamespace"] = document["strategyNamespace"] or DEFAULT_NAMESPACE
    return {name: value for name, value in document.items() if name in names}


def _files(paths: Iterable[pathlib.Path]) -> Iterator[pathlib.Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
        else:
            yield path


def _check(content: Mapping[str, Any], message: descriptor.Descriptor, where: str) -> None:
    strategy = message is STRATEGY
    fields = {
        field.json_name: field
        for field in (written_fields() if strategy else message.fields)
        if not (strategy and field.json_name in _FROM_METADATA)
    }
    _known(content, fields, where)
    for key, value in content.items():
        inner = fields[key].message_type
        if inner is None or inner.full_name.startswith("google.protobuf."):
            continue
        for index, item in enumerate(value if isinstance(value, list) else ()):
            _check(_mapping(item, f"{where}.{key}[{index}]"), inner, f"{where}.{key}[{index}]")


def _known(content: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    for key in content:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"
            raise _invalid(f"{where}: {key}", f"is not known; {hint}")


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(where, f"must be keys and values, and is {value!r}"[:200])
    return value


def _invalid(where: str, description: str) -> errors.InvalidInputError:
    return errors.InvalidInputError("MANIFEST_INVALID", f"{where}: {description}")
