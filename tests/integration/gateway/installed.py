"""A real manager and a real agent, each behind its own gateway, and those who may call them."""

import asyncio
import contextlib
import dataclasses
import datetime
import os
import pathlib
import sys
from collections.abc import AsyncIterator, Iterable

import pydantic
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gthulhu.agent import config as agent_config
from gthulhu.common import clock as clocks
from gthulhu.common.identity import tokens
from gthulhu.gateway import options, process
from gthulhu.manager import app, config
from gthulhu.manager.domain import access, permissions
from gthulhu.manager.services import callers
from tests.integration.agent import rig as agents
from tests.integration.gateway import harness
from tests.integration.manager import rig as managers

ADMIN_PASSWORD = "correct-horse-battery-7"
PASSWORD = "quiet-otters-swim-late-8"
NODE = agents.NODE
PODS = ("web-1", "web-2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Installed:
    """What a test calls, and as whom."""

    manager: app.Manager
    node: agents.Node
    url: str
    agent_url: str
    keys: tokens.KeyRing
    clients: pathlib.Path

    async def call(
        self, method: str, path: str, body: object = None, *, token: str = "", url: str = ""
    ) -> harness.Answer:
        """Make a request to the manager's gateway, or another one's."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await harness.call(url or self.url, method, path, json_body=body, headers=headers)

    async def log_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> dict[str, str]:
        """Return what a log-in gives."""
        answer = await self.call("POST", "/api/v1/auth/login", {"username": username, "password": password})
        assert answer.status == 200, answer.body
        return answer.json["data"]

    def token(self, user: str, *, lifetime: datetime.timedelta = datetime.timedelta(minutes=15)) -> str:
        """Return an access token of one of `add_users`, without a log-in."""
        return self.keys.issue(
            subject=user,
            audience=callers.AUDIENCE,
            kind="access",
            lifetime=lifetime,
            claims={callers.GENERATION: 0},
            now=clocks.SystemClock().now(),
        )

    async def add_user(self, name: str, granted: Iterable[str]) -> None:
        """Add a user whose role grants just that."""
        now = clocks.SystemClock().now()
        policies = tuple(access.Policy(permission=key) for key in sorted(granted))
        role = access.Role(id=name, name=name, policies=policies, created_at=now, updated_at=now)
        store = self.manager.parts.store
        await store.put_role(role, expected_etag=None, audit=managers.audit("role.create"))
        user = access.User(id=name, username=name, password_hash="-", roles=(name,), created_at=now)
        await store.put_user(user, expected_etag=None, audit=managers.audit("user.create"))

    async def agent_token(self, client: str) -> str:
        """Return a token of the `scheduler` or the `manager` of the older protocol."""
        pem = (self.clients / f"{client}.pem").read_text()
        answer = await self.call("POST", "/api/v1/auth/token", {"public_key": pem}, url=self.agent_url)
        assert answer.status == 200, answer.body
        return answer.json["data"]["token"]


@contextlib.asynccontextmanager
async def running(folder: pathlib.Path, *, agent_port: int) -> AsyncIterator[Installed]:
    """Run everything; there is a user `all`, and for each permission `only-KEY` and `but-KEY`."""
    installation = managers.install(folder)
    installation.authority.issue("gateway", folder / "pki")
    installation.set_pods(*PODS, node=NODE)
    account = config.Account(admin_email="admin@example.com", admin_password=pydantic.SecretStr(ADMIN_PASSWORD))
    discovery = agents.MemoryDiscovery()
    for number, name in enumerate(PODS):
        discovery.put(f"uid-{name}", 100 + number)
    manager = app.build_manager(installation.config().model_copy(update={"account": account}))
    async with (
        manager,
        agents.running(_agent(installation, manager.grpc_port, agent_port), discovery=discovery) as node,
        gateway("manager", folder / "m", f"127.0.0.1:{manager.grpc_port}", certificates=folder / "pki") as url,
        gateway("agent", folder / "a", f"unix:{folder / 'agent' / 'agent.sock'}") as agent_url,
    ):
        made = Installed(
            manager=manager,
            node=node,
            url=url,
            agent_url=agent_url,
            keys=tokens.KeyRing.load_or_create(folder / "pki" / "jwt"),
            clients=folder / "clients",
        )
        await made.add_user("all", permissions.KEYS)
        for key in permissions.KEYS:
            await made.add_user(f"only-{key}", {key})
            await made.add_user(f"but-{key}", permissions.KEYS - {key})
        await agents.until(lambda: node.agent.parts.presence.connected)
        yield made


@contextlib.asynccontextmanager
async def manager_process(installation: managers.Installation, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a manager as a process of its own."""
    environment = {
        "GTHULHU_MANAGER_SERVER__GRPC_ADDRESS": f"127.0.0.1:{port}",
        "GTHULHU_MANAGER_SERVER__METRICS_ADDRESS": "",
        "GTHULHU_MANAGER_INVENTORY__FILE": str(installation.inventory),
        "GTHULHU_MANAGER_ACCOUNT__ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    command = [sys.executable, "-m", "gthulhu", "manager", "-d", str(installation.folder)]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def gateway(kind: str, folder: pathlib.Path, upstream: str, **changes: object) -> AsyncIterator[str]:
    """Run a gateway that limits no log-ins; yields its URL."""
    settings = options.Options(
        **{
            "kind": kind,
            "listen": "127.0.0.1:0",
            "upstreams": [upstream],
            "trust_domain": managers.TRUST_DOMAIN,
            "login_attempts": 1_000_000,
            "access_log": "",
            **changes,
        }
    )
    async with process.Gateway(settings, folder=folder, concurrency=1) as running_gateway:
        yield running_gateway.url


def public_key(path: pathlib.Path) -> pathlib.Path:
    """Write the public half of a new key."""
    path.parent.mkdir(exist_ok=True)
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(pem)
    return path


def _agent(installation: managers.Installation, manager_port: int, port: int) -> agent_config.AgentConfig:
    folder = installation.folder / "agent"
    installation.authority.issue_agent(NODE, folder / "pki")
    (folder / "pki" / "node.token").write_text(installation.node_token(NODE))
    clients = installation.folder / "clients"
    return agent_config.AgentConfig(
        state_dir=folder,
        server=agent_config.Server(
            grpc_address=f"127.0.0.1:{port}", advertise_address=f"127.0.0.1:{port}", metrics_address=""
        ),
        manager=agent_config.Manager(address=f"127.0.0.1:{manager_port}"),
        node=agent_config.Node(name=NODE),
        enforcement=agent_config.Enforcement(enforcer="external"),
        token=agent_config.Token(
            scheduler_public_key_file=public_key(clients / "scheduler.pem"),
            manager_public_key_file=public_key(clients / "manager.pem"),
        ),
    )
