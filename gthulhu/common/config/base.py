"""The bases of settings classes, and how their settings are named."""

import pathlib
from collections.abc import Iterator
from typing import ClassVar

import pydantic
import pydantic_settings


class Section(pydantic.BaseModel):
    """One table of the file; the docstring below a field is its text in the reference."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Settings(pydantic_settings.BaseSettings):
    """Base of everything that one program can be told."""

    model_config = pydantic_settings.SettingsConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, nested_model_default_partial_update=True
    )

    kind: ClassVar[str]
    """Names the program in environment variables: GTHULHU_<KIND>_…"""

    state_dir: pathlib.Path

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[pydantic_settings.BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: pydantic_settings.PydanticBaseSettingsSource,
        *_: pydantic_settings.PydanticBaseSettingsSource,
        **__: pydantic_settings.PydanticBaseSettingsSource,
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """Let the constructor take its arguments only: `load` brings the layers together."""
        return (init_settings,)

    def path(self, relative: pathlib.Path) -> pathlib.Path:
        """Return a path below the state folder, or the path itself where it is absolute."""
        return self.state_dir / relative


def fields(cls: type[pydantic.BaseModel], prefix: str = "") -> Iterator[tuple[str, pydantic.fields.FieldInfo]]:
    """Yield every setting of a class with its dotted key, sections opened."""
    for name, field in cls.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def value_of(settings: pydantic.BaseModel, key: str) -> object:
    """Return one setting by its dotted key."""
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value
