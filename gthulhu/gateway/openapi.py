"""The OpenAPI document of a gateway's REST routes, from the schema."""

from typing import Any

from gthulhu.gateway import routes


def document(kind: routes.Kind) -> dict[str, Any]:
    """Return the document for a gateway of this kind."""
    return {"openapi": "3.1.0", "info": {"title": f"Gthulhu {kind}", "version": "1"}, "paths": {}}
