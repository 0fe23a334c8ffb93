"""How answers can be printed; apart from what prints them, because that loads the whole schema."""

import enum


class Format(enum.StrEnum):
    """How answers are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
