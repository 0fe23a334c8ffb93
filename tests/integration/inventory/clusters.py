"""Clusters that the informer can follow: the double, and a real API server where its programs are at hand.

`KUBE_APISERVER` and `ETCD` in the environment name the programs, as they come with Kubernetes' envtest. Nothing else of
Kubernetes runs: no kubelet and no controller changes what a test has put there.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes.aio.client import api_client, configuration

from gthulhu.cli.local import system
from tests.integration.inventory.apiserver import ApiServer, a_node, a_pod

PROGRAMS = {name: os.environ.get(name, "") for name in ("KUBE_APISERVER", "ETCD")}
KINDS = ("double", "real") if all(PROGRAMS.values()) else ("double",)
READY_SECONDS = 60.0
TOKEN = "made-up-for-these-tests"
PODS = "/api/v1/namespaces/default/pods"

Connect = Callable[[], Awaitable[api_client.ApiClient]]


class Cluster(Protocol):
    """Pods of namespace `default`, by name, and nodes."""

    def connect(self) -> Connect:
        """Return what the informer connects by."""

    async def put_node(self, name: str) -> None:
        """Let there be a node that is ready."""

    async def put_pod(self, name: str, *, labels: dict[str, str], node: str = "", phase: str = "Running") -> None:
        """Let there be a pod, or change it: its labels, its node once it has none, its phase."""

    async def delete_pod(self, name: str) -> None:
        """Let the pod be gone."""


class DoubleCluster:
    """The double; a pod that is made anew has another UID, as in real ones."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._made = 0
        self._uids: dict[str, str] = {}

    def connect(self) -> Connect:
        return connecting(self._server.url)

    async def put_node(self, name: str) -> None:
        await self._server.put("nodes", name, a_node(name))

    async def put_pod(self, name: str, *, labels: dict[str, str], node: str = "", phase: str = "Running") -> None:
        if name not in self._uids:
            self._made += 1
            self._uids[name] = f"uid-{self._made}"
        uid = self._uids[name]
        await self._server.put("pods", uid, a_pod(name, uid=uid, node=node, labels=labels, phase=phase))

    async def delete_pod(self, name: str) -> None:
        await self._server.delete("pods", self._uids.pop(name))


class RealCluster:
    """A real API server over a real etcd."""

    def __init__(self, *, url: str, ca: pathlib.Path) -> None:
        self._url = url
        self._ca = ca
        self._tls = ssl.create_default_context(cafile=str(ca))

    def connect(self) -> Connect:
        return connecting(self._url, token=TOKEN, ca=str(self._ca))

    async def ready(self) -> bool:
        """Tell whether the server answers, and has made the namespace."""
        with contextlib.suppress(aiohttp.ClientError, OSError):
            return await self._ask("GET", "/readyz") == 200 and await self._ask("GET", PODS.rpartition("/")[0]) == 200
        return False

    async def put_node(self, name: str) -> None:
        await self._must("POST", "/api/v1/nodes", {"metadata": {"name": name}})
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        await self._must("PATCH", f"/api/v1/nodes/{name}/status", {"status": status})

    async def put_pod(self, name: str, *, labels: dict[str, str], node: str = "", phase: str = "Running") -> None:
        path = f"{PODS}/{name}"
        spec: dict[str, object] = {"containers": [{"name": "main", "image": "example"}]}
        if await self._ask("GET", path) == 404:
            await self._must("POST", PODS, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        else:  # a label that is absent from a merge patch stays: they are replaced as a whole
            await self._must("PATCH", path, {"metadata": {"labels": None}})
            await self._must("PATCH", path, {"metadata": {"labels": labels}})
        if node:
            binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
            await self._ask("POST", f"{path}/binding", binding)  # 409 where it has its node already
        await self._must("PATCH", f"{path}/status", {"status": {"phase": phase}})

    async def delete_pod(self, name: str) -> None:
        await self._must("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})

    async def _must(self, method: str, path: str, body: dict[str, Any]) -> None:
        status = await self._ask(method, path, body)
        assert status < 300, f"{method} {path}: {status}"

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> int:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": kind}
        data = None if body is None else json.dumps(body)
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self._url + path, data=data, ssl=self._tls) as answer,
        ):
            return answer.status


def connecting(url: str, *, token: str = "", ca: str | None = None) -> Connect:
    """Return what connects to a URL."""

    async def connect() -> api_client.ApiClient:
        its = configuration.Configuration(host=url)
        its.ssl_ca_cert = ca
        if token:
            its.api_key["BearerToken"] = f"Bearer {token}"
        return api_client.ApiClient(configuration=its)

    return connect


@contextlib.asynccontextmanager
async def running(kind: str, folder: pathlib.Path) -> AsyncIterator[Cluster]:
    """Run a cluster of a kind, with nothing in it."""
    if kind == "double":
        server = ApiServer()
        async with server.running():
            yield DoubleCluster(server)
        return
    etcd, peers, port = system.free_ports(3)
    (folder / "tokens.csv").write_text(f"{TOKEN},tester,tester,system:masters\n")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "accounts.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    store = f"http://127.0.0.1:{etcd}"
    async with (
        _program(
            PROGRAMS["ETCD"],
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            log=folder / "etcd.log",
        ),
        _program(
            PROGRAMS["KUBE_APISERVER"],
            f"--etcd-servers={store}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            f"--service-account-key-file={folder / 'accounts.key'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.test",
            "--service-cluster-ip-range=10.0.0.0/24",
            log=folder / "apiserver.log",
        ),
    ):
        ca = folder / "certificates" / "apiserver.crt"  # signed by itself
        async with asyncio.timeout(READY_SECONDS):
            while not ca.exists():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.1)
            cluster = RealCluster(url=f"https://127.0.0.1:{port}", ca=ca)
            while not await cluster.ready():  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.1)
        yield cluster


@contextlib.asynccontextmanager
async def _program(*command: str, log: pathlib.Path) -> AsyncIterator[None]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
