"""The little TOML that we write ourselves: sections of plain keys."""

import json
from collections.abc import Mapping


def dumps(sections: Mapping[str, Mapping[str, object]]) -> str:
    """Return TOML; values are strings, numbers, booleans, or lists of strings."""
    # JSON's strings, numbers, booleans and lists of them are TOML's too, given that characters stay as they are.
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in keys.items())
        for name, keys in sections.items()
    )
