"""Managers that sign certificates, agents as processes of their own, and a cluster's API that reviews tokens."""

import contextlib
import dataclasses
import datetime
import pathlib
import uuid
from collections.abc import AsyncIterator, Sequence

import grpc
import pydantic
import yaml
from aiohttp import web

from gthulhu.cli.demo import cgroups
from gthulhu.cli.local import children as processes
from gthulhu.cli.local import toml
from gthulhu.common import clock as clocks
from gthulhu.common.grpc import channel
from gthulhu.common.identity import enrollment, tls, tokens
from gthulhu.manager import app, config
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, enrollment_pb2, enrollment_pb2_grpc
from tests.integration.inventory import apiserver
from tests.integration.manager import rig as managers

PASSWORD = "correct-horse-battery-7"
HOUR = datetime.timedelta(hours=1)
MANAGERS_TOKEN = "made-up-token-of-the-manager"


@contextlib.asynccontextmanager
async def manager_that_signs(
    installation: managers.Installation, *, kubeconfig: pathlib.Path | None = None, **identity: object
) -> AsyncIterator[app.Manager]:
    """Run a manager that has the authority's key; `identity` are further settings of that section."""
    plain = installation.config()
    changes = {"ca_key": installation.folder / "ca" / "ca.key", **identity}
    made = plain.model_copy(
        update={
            "server": plain.server.model_copy(update={"enrollment_address": "127.0.0.1:0"}),
            "identity": plain.identity.model_copy(update=changes),
            "account": config.Account(admin_password=pydantic.SecretStr(PASSWORD)),
            "k8s": config.Kubernetes(kube_config_path=kubeconfig),
        }
    )
    async with app.build_manager(made) as manager:
        yield manager


def join_token(installation: managers.Installation, node: str, *, lifetime: datetime.timedelta = HOUR) -> str:
    ring = tokens.KeyRing.load_or_create(installation.folder / "pki" / "jwt")
    return enrollment.issue_join_token(ring, node=node, lifetime=lifetime, now=clocks.SystemClock().now())


async def enroll(
    installation: managers.Installation, manager: app.Manager, request: enrollment_pb2.EnrollRequest
) -> enrollment_pb2.EnrollResponse:
    """Ask as an agent without a certificate does."""
    credentials = tls.anonymous_channel_credentials(installation.folder / "pki" / "ca.crt")
    target = f"127.0.0.1:{manager.enrollment_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
        return await enrollment_pb2_grpc.EnrollmentServiceStub(opened).Enroll(request, timeout=managers.LIMIT)


async def renew(
    installation: managers.Installation, manager: app.Manager, folder: pathlib.Path, role: str
) -> enrollment_pb2.EnrollResponse:
    """Ask with a certificate, where sessions are held, and with no other proof."""
    credentials = tls.channel_credentials(
        folder / f"{role}.crt", folder / f"{role}.key", installation.folder / "pki" / "ca.crt"
    )
    target = f"127.0.0.1:{manager.grpc_port}"
    request = enrollment_pb2.EnrollRequest(csr=enrollment.new_request(node="x").csr)
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
        return await enrollment_pb2_grpc.EnrollmentServiceStub(opened).Enroll(request, timeout=managers.LIMIT)


@contextlib.asynccontextmanager
async def administrator(
    installation: managers.Installation, manager: app.Manager
) -> AsyncIterator[tuple[grpc.aio.Channel, Sequence[tuple[str, str]]]]:
    """Yield a gateway's channel to the manager, and the metadata of an administrator's calls."""
    folder = installation.folder / "pki"
    if not (folder / "gateway.crt").exists():
        installation.authority.issue("gateway", folder)
    credentials = tls.channel_credentials(folder / "gateway.crt", folder / "gateway.key", folder / "ca.crt")
    target = f"127.0.0.1:{manager.grpc_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
        login = await auth_pb2_grpc.AuthServiceStub(opened).Login(
            auth_pb2.LoginRequest(username="admin", password=PASSWORD)
        )
        yield opened, (("authorization", f"Bearer {login.access_token}"),)


def start_agent(
    children: processes.Children,
    folder: pathlib.Path,
    manager: app.Manager,
    *,
    node: str,
    identity: dict[str, object],
) -> processes.Child:
    """Run `gthulhu agent` with a state folder that holds nothing but its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "cgroups"
    cgroups.simulated(root)
    sections = {
        "server": {"grpc_address": "127.0.0.1:0", "metrics_address": ""},
        "manager": {
            "address": f"127.0.0.1:{manager.grpc_port}",
            "enrollment_address": f"127.0.0.1:{manager.enrollment_port}",
        },
        "identity": {key: str(value) for key, value in identity.items()},
        "node": {"name": node, "cgroup_root": str(root)},
        "enforcement": {"enforcer": "observe"},
    }
    (folder / "dm_config.toml").write_text(toml.dumps(sections))
    return children.start(f"agent-{node}", ["agent", "-d", str(folder)])


async def connected(manager: app.Manager, node: str) -> bool:
    """Tell whether an agent of the node has a session now."""
    now = clocks.SystemClock().now()
    return any(one.node == node and one.lease_until > now for one in await manager.parts.store.list_sessions())


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodToken:
    """A projected service-account token, as far as a review shows it."""

    username: str = "system:serviceaccount:gthulhu-system:gthulhu-agent"
    audiences: tuple[str, ...] = ("gthulhu-manager",)
    pod: str = "gthulhu-agent-x7k2p"
    pod_uid: str = "uid-gthulhu-agent-x7k2p"
    node: str = "node-1"
    """Empty: the cluster is older than 1.30, and does not put it in."""
    expired: bool = False

    def extra(self) -> dict[str, list[str]]:
        prefix = "authentication.kubernetes.io"
        found = {f"{prefix}/credential-id": [f"JTI={uuid.uuid4()}"]}
        if self.pod:
            found |= {f"{prefix}/pod-name": [self.pod], f"{prefix}/pod-uid": [self.pod_uid]}
        if self.node:
            found |= {f"{prefix}/node-name": [self.node], f"{prefix}/node-uid": [f"uid-{self.node}"]}
        return found


class Cluster:
    """The API server's double, with the review of tokens and single pods added."""

    def __init__(self) -> None:
        self.api = apiserver.ApiServer()
        self.api.token = MANAGERS_TOKEN
        self.api.further_routes = [
            web.post("/apis/authentication.k8s.io/v1/tokenreviews", self._review),
            web.get("/api/v1/namespaces/{namespace}/pods/{name}", self._pod),
        ]
        self.tokens: dict[str, PodToken] = {}
        self.pods: dict[str, apiserver.Object] = {}
        self.reviews: list[apiserver.Object] = []
        self.broken = 0
        """Answer reviews with this status."""
        self.knows_audiences = True
        """False: an authenticator that was written before there were audiences."""

    @contextlib.asynccontextmanager
    async def running(self, folder: pathlib.Path) -> AsyncIterator[pathlib.Path]:
        """Serve over TLS; yields a kubeconfig."""
        authority = managers.pki.Authority.create(folder / "ca", trust_domain="cluster.local")
        authority.issue("manager", folder / "server")
        context = apiserver.ssl.create_default_context(apiserver.ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "server" / "manager.crt", folder / "server" / "manager.key")
        async with self.api.running(tls=context) as url:
            cluster = {"server": url, "certificate-authority": str(folder / "ca" / "ca.crt")}
            content = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": MANAGERS_TOKEN}}],
            }
            (folder / "kubeconfig").write_text(yaml.safe_dump(content))
            yield folder / "kubeconfig"

    async def _review(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").lower() != f"bearer {MANAGERS_TOKEN}":
            return _status(401, "Unauthorized")
        if self.broken:
            return _status(self.broken, "made to fail")
        asked = await request.json()
        if (asked.get("apiVersion"), asked.get("kind")) != ("authentication.k8s.io/v1", "TokenReview"):
            return _status(400, "the object provided is no TokenReview")
        self.reviews.append(asked)
        answer = {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": None, "managedFields": [{"manager": "gthulhu", "operation": "Update"}]},
            "spec": asked["spec"],
            "status": self._verdict(asked["spec"]),
        }
        return web.json_response(answer, status=201)

    def _verdict(self, spec: apiserver.Object) -> apiserver.Object:
        found = self.tokens.get(spec["token"])
        if found is None or found.expired:
            why = "service account token has expired" if found else "invalid bearer token"
            return {"user": {}, "error": f"[invalid bearer token, {why}]"}
        common = [one for one in spec.get("audiences", []) if one in found.audiences]
        if self.knows_audiences and not common:
            mine = (
                f"token audiences {list(found.audiences)!r} is invalid for the target audiences {spec['audiences']!r}"
            )
            return {"user": {}, "error": f"[invalid bearer token, {mine}]"}
        namespace = found.username.split(":")[2]
        user = {
            "username": found.username,
            "uid": "0ff0b6c2-9b1e-4a5e-8f6b-1f4c4e1d2a3b",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
            "extra": found.extra(),
        }
        verdict = {"authenticated": True, "user": user}
        return {**verdict, "audiences": common} if self.knows_audiences else verdict

    async def _pod(self, request: web.Request) -> web.Response:
        found = self.pods.get(request.match_info["name"])
        if found is None:
            return _status(404, f'pods "{request.match_info["name"]}" not found')
        return web.json_response({"apiVersion": "v1", **found})


def _status(code: int, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code}
    return web.json_response(body, status=code)
