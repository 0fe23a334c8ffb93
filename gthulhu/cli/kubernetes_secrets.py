"""Reads and writes the Secrets of the namespace that this process runs in, as its pod's service account.

Three requests of the Kubernetes API over the standard library's HTTP: a client library would take longer to import.
See https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
"""

import base64
import json
import os
import pathlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from gthulhu.common import errors

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where every pod finds its service account's token, the API server's CA, and its own namespace."""
LABELS = {"app.kubernetes.io/part-of": "gthulhu", "app.kubernetes.io/managed-by": "gthulhu-pki"}

_SECONDS = 15.0


class Secrets:
    """The Secrets of one namespace."""

    def __init__(self, *, account: pathlib.Path = ACCOUNT) -> None:
        """Take the folder of a service account.

        Raises:
            PreconditionError: `NOT_IN_CLUSTER`.
        """
        try:
            self.namespace = (account / "namespace").read_text().strip()
            self._token = (account / "token").read_text().strip()
            self._context = ssl.create_default_context(cafile=str(account / "ca.crt"))
            host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        except (OSError, KeyError) as error:
            raise errors.PreconditionError(
                "NOT_IN_CLUSTER", f"this works in a pod with a service account only: {error}"
            ) from None
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._url = f"https://{authority}/api/v1/namespaces/{self.namespace}/secrets"

    def get(self, name: str) -> Mapping[str, bytes] | None:
        """Return what a Secret holds; None where there is none."""
        status, answer = self._call("GET", f"/{name}")
        if status == 404:  # noqa: PLR2004 - HTTP's Not Found
            return None
        return {key: base64.b64decode(value) for key, value in (_good(status, answer).get("data") or {}).items()}

    def create(self, name: str, content: Mapping[str, bytes], *, kind: str = "Opaque") -> bool:
        """Make a Secret; False where there is one already."""
        status, answer = self._call("POST", "", _secret(name, content, kind))
        if status == 409:  # noqa: PLR2004 - HTTP's Conflict
            return False
        _good(status, answer)
        return True

    def replace(self, name: str, content: Mapping[str, bytes], *, kind: str = "Opaque") -> None:
        """Replace what a Secret holds."""
        _good(*self._call("PUT", f"/{name}", _secret(name, content, kind)))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Mapping[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 - https, see above
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS, context=self._context) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"message": error.read(1000).decode(errors="replace")}
        except (OSError, ValueError) as error:
            raise errors.UnavailableError("API_SERVER_UNREACHABLE", f"{self._url}: {error}") from None


def _secret(name: str, content: Mapping[str, bytes], kind: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": LABELS},
        "type": kind,
        "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
    }


def _good(status: int, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's successes
        raise errors.PreconditionError("API_SERVER_REFUSED", f"status {status}: {answer.get('message', '')}")
    return answer
