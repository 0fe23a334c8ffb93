"""The REST gateway, by the standard library's client: what any program in any language would do."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

CALL_SECONDS = 5.0


class RestError(Exception):
    """An answer that says no, or none at all; the message is for people."""


class Api:
    """Calls a gateway, with a user's token once `login` has been called."""

    def __init__(self, url: str) -> None:
        """Take the gateway's URL, without a path."""
        self._url = url
        self._headers = {"content-type": "application/json"}

    def login(self, *, username: str, password: str) -> None:
        """Log in; later calls carry the token."""
        data = self.call("POST", "/api/v1/auth/login", {"username": username, "password": password})
        self._headers["authorization"] = f"Bearer {data['accessToken']}"

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return an answer's `data` (or the whole of an answer without envelope)."""
        request = urllib.request.Request(  # noqa: S310 - our own gateway's URL
            self._url + path,
            method=method,
            headers=self._headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310 - as above
                content = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise RestError(f"{method} {path}: {error.code} {text}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise RestError(f"{method} {path}: {error}") from None
        return content.get("data", {}) if "success" in content else content

    def healthy(self) -> bool:
        """Tell whether the manager behind the gateway says that it is healthy."""
        try:
            return bool(self.call("GET", "/health")["status"] == "healthy")
        except RestError:
            return False
