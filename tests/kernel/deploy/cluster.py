"""What pods see of a cluster: the API server (a double), and volumes made of Secrets and of tokens."""

import base64
import os
import pathlib
import urllib.parse
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from tests.integration.identity import rig

Object = dict[str, Any]

GROUP = 10001
"""Of the pods that are not root."""


class Cluster(rig.Cluster):
    """Secrets of one namespace can be read and written too."""

    def __init__(self, *, namespace: str) -> None:
        """Take the namespace."""
        super().__init__()
        self.namespace = namespace
        self.secrets: dict[str, Object] = {}
        self.asked: list[tuple[str, str]] = []
        """What was done with Secrets: verb and name."""
        path = f"/api/v1/namespaces/{namespace}/secrets"
        self.api.further_routes += [
            web.get(path + "/{name}", self._get),
            web.post(path, self._create),
            web.put(path + "/{name}", self._update),
        ]

    def environment(self, kubeconfig: pathlib.Path) -> Mapping[str, str | None]:
        """Return where every pod finds the API server."""
        server = urllib.parse.urlsplit(yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
        return {"KUBERNETES_SERVICE_HOST": server.hostname, "KUBERNETES_SERVICE_PORT": str(server.port)}

    def account(self, kubeconfig: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
        """Fill the folder of a service account."""
        folder.mkdir()
        (folder / "token").write_text(rig.MANAGERS_TOKEN)
        (folder / "namespace").write_text(self.namespace)
        (folder / "ca.crt").write_bytes((kubeconfig.parent / "ca" / "ca.crt").read_bytes())
        return readable(folder)

    def volume(self, volume: Object, folder: pathlib.Path, *, tokens: Mapping[str, str] | None = None) -> pathlib.Path:
        """Fill a folder with what a volume of Secrets and of tokens (by audience) projects."""
        folder.mkdir(parents=True)
        for source in volume.get("projected", {}).get("sources", [volume]):
            if wanted := source.get("serviceAccountToken"):
                (folder / wanted["path"]).write_text((tokens or {})[wanted["audience"]])
                continue
            secret = source["secret"]
            content = self.secrets[secret.get("name") or secret["secretName"]]["data"]
            for item in secret.get("items", [{"key": key, "path": key} for key in content]):
                path = folder / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(content[item["key"]]))
        return readable(folder)

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(("get", name))
        return web.json_response(self.secrets[name]) if name in self.secrets else web.json_response({}, status=404)

    async def _create(self, request: web.Request) -> web.Response:
        secret = await request.json()
        name = secret["metadata"]["name"]
        self.asked.append(("create", name))
        if name in self.secrets:
            return web.json_response({}, status=409)
        self.secrets[name] = secret
        return web.json_response(secret, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(("update", name))
        self.secrets[name] = await request.json()
        return web.json_response(self.secrets[name])


def readable(folder: pathlib.Path) -> pathlib.Path:
    """Let a folder be read as a kubelet does: by root, and by the group of the pods that are not root."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o440)
        os.chown(path, 0, GROUP)
    return folder
