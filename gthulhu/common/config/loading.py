"""Bringing the layers together: file, environment, flags."""

import dataclasses
import difflib
import os
import pathlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import pydantic
import pydantic_settings

from gthulhu.common import errors
from gthulhu.common.config import base

_FILE_SUFFIX = "_file"
_SERVICE_LINK = re.compile(r"(service_host|service_port(_\w+)?|port(_\d+_(tcp|udp|sctp)(_(proto|port|addr))?)?)\Z")
"""What Kubernetes puts into every container for a Service called gthulhu-manager: not meant for us."""

SettingsT = TypeVar("SettingsT", bound=base.Settings)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[SettingsT]):
    """Settings, and where each came from."""

    settings: SettingsT
    origins: Mapping[str, str]
    """Dotted key → `flag`, `environment NAME`, `file PATH` or `default`."""


def load(
    cls: type[SettingsT], *, file: pathlib.Path | None = None, flags: Mapping[str, object] | None = None
) -> Loaded[SettingsT]:
    """Return the effective settings of a program.

    Args:
        cls: Which program's.
        file: TOML; None: no file.
        flags: Dotted key → value; None as a value means that the flag was not given.

    Raises:
        InvalidInputError: `CONFIG_INVALID`: the file cannot be read, a key is not known, a value is not allowed. Names
            the key, the value (never a secret's) and where it came from.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    ranks: dict[str, int] = {}
    layers = (_file_layer(file), _environment_layer(cls), _flag_layer(flags or {}))
    known = dict(base.fields(cls))
    for rank, layer in enumerate(layers):
        for key, (value, origin) in layer.items():
            if key not in known:
                raise _invalid(key, f"no such setting{_nearest(key, known)} ({origin})")
            values[key], origins[key], ranks[key] = value, origin, rank
    for key in [key for key in values if key.endswith(_FILE_SUFFIX)]:
        _read_secret(key, known=known, values=values, origins=origins, ranks=ranks)
    try:
        settings = cls(**_nested(values))
    except pydantic.ValidationError as error:
        raise _explained(error, known=known, origins=origins) from None
    return Loaded(settings=settings, origins={key: origins.get(key, "default") for key in known})


Layer = Mapping[str, tuple[object, str]]
"""Dotted key → (value, origin)."""


def _file_layer(file: pathlib.Path | None) -> Layer:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid(str(file), f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # of TOML, and of UTF-8
        raise _invalid(str(file), f"is no TOML: {error}") from None
    return {key: (value, f"file {file}") for key, value in _flat(content)}


def _environment_layer(cls: type[base.Settings]) -> Layer:
    prefix = f"GTHULHU_{cls.kind.upper()}_"
    names = {
        name.removeprefix(prefix).lower().replace("__", "."): name
        for name in os.environ
        if name.startswith(prefix) and not _SERVICE_LINK.match(name.removeprefix(prefix).lower())
    }
    source = pydantic_settings.EnvSettingsSource(cls, env_prefix=prefix, env_nested_delimiter="__")
    try:
        decoded = dict(_flat(source()))
    except pydantic_settings.SettingsError as error:
        raise _invalid("environment", f"{error}; lists are written as JSON") from None
    return {key: (decoded.get(key, ""), f"environment {name}") for key, name in names.items()}


def _flag_layer(flags: Mapping[str, object]) -> Layer:
    return {key: (value, "flag") for key, value in flags.items() if value is not None}


def _read_secret(
    key: str,
    *,
    known: Mapping[str, pydantic.fields.FieldInfo],
    values: dict[str, object],
    origins: dict[str, str],
    ranks: Mapping[str, int],
) -> None:
    """Fill a setting from the file that its `…_file` names; the stronger layer of both settings wins."""
    target = key.removesuffix(_FILE_SUFFIX)
    if target not in known or not values[key]:
        return
    if ranks.get(target, -1) > ranks[key]:
        return
    if ranks.get(target, -1) == ranks[key]:
        raise _invalid(key, f"is set, and {target} too: set one of both ({origins[key]})")
    file = pathlib.Path(str(values[key]))
    try:
        values[target] = file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(key, f"{file} cannot be read: {error} ({origins[key]})") from None
    origins[target] = f"file {file}"


def _flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree


def _explained(
    error: pydantic.ValidationError, *, known: Mapping[str, pydantic.fields.FieldInfo], origins: Mapping[str, str]
) -> errors.InvalidInputError:
    violations = []
    for item in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in item["loc"]]
        key = next(
            (".".join(path[:end]) for end in range(len(path), 0, -1) if ".".join(path[:end]) in known), ".".join(path)
        )
        secret = key in known and known[key].annotation is pydantic.SecretStr
        value = "(not shown)" if secret else repr(item["input"])
        violations.append(
            errors.FieldViolation(key, f"{value} is not allowed: {item['msg']} ({origins.get(key, 'default')})")
        )
    message = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
    return errors.InvalidInputError("CONFIG_INVALID", message, fields=violations)


def _nearest(key: str, known: Mapping[str, object]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _invalid(key: str, description: str) -> errors.InvalidInputError:
    violation = errors.FieldViolation(key, description)
    return errors.InvalidInputError("CONFIG_INVALID", f"{key}: {description}", fields=[violation])
