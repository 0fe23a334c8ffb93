"""Settings as text: what is in force, and the reference."""

import itertools
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pydantic
from pydantic_core import PydanticUndefined

from gthulhu.common.config import base, loading


def show(loaded: loading.Loaded[Any]) -> list[tuple[str, str, str]]:
    """Return (key, value, origin) of every setting, secrets masked; for people."""
    return [
        (key, _value(base.value_of(loaded.settings, key)), loaded.origins[key])
        for key, _ in base.fields(type(loaded.settings))
    ]


def reference(cls: type[base.Settings]) -> str:
    """Return a table in Markdown of every setting: name, what it may be, default, environment variable, meaning."""
    lines = ["| setting | value | default | environment | meaning |", "|---|---|---|---|---|"]
    for key, field in base.fields(cls):
        variable = f"GTHULHU_{cls.kind.upper()}_{key.upper().replace('.', '__')}"
        cells = (f"`{_name(key)}`", _kind(field), _default(field), f"`{variable}`", field.description or "")
        lines.append("| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _name(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"[{section}] {name}" if section else name


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(field: pydantic.fields.FieldInfo) -> str:
    if field.default_factory is not None:
        return "see meaning"
    if field.default is PydanticUndefined:
        return "required"
    text = _value(field.default)
    return f"`{text}`" if text else ""


def _kind(field: pydantic.fields.FieldInfo) -> str:
    """Return what a value may be, in words."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    names = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text", pydantic.SecretStr: "secret"}
    if annotation in names:
        return names[annotation] + _bounds(field)
    return "list of text" if get_origin(annotation) is tuple else "path"


def _bounds(field: pydantic.fields.FieldInfo) -> str:
    limits = itertools.chain.from_iterable(
        item if isinstance(item, annotated_types.GroupedMetadata) else [item] for item in field.metadata
    )
    low, high = None, None
    for limit in limits:
        match limit:
            case annotated_types.Ge(ge=value):
                low = value
            case annotated_types.Le(le=value):
                high = value
    if low is None and high is None:
        return ""
    return f", {low} to {high}" if high is not None else f", {low} or more"
