"""What a gateway refuses, limits, hides and tells: sizes, log-ins, origins, identities, time."""

import asyncio
import contextlib
import json
import pathlib
import shutil
import ssl
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from gthulhu.common.identity import pki
from gthulhu.gateway import options, process
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, cluster_pb2, system_pb2, system_pb2_grpc
from tests.integration.gateway import harness

_END = "-----END CERTIFICATE-----\n"
_LOGIN = {"username": "ada", "password": "x"}


@contextlib.asynccontextmanager
async def gateway(
    folder: pathlib.Path, identity: pathlib.Path, *upstreams: str, **changes: object
) -> AsyncIterator[process.Gateway]:
    settings = options.Options(
        kind="manager",
        listen="127.0.0.1:0",
        upstreams=upstreams,
        certificates=identity,
        trust_domain=harness.TRUST_DOMAIN,
        **{"access_log": "", **changes},
    )
    async with process.Gateway(settings, folder=folder, concurrency=1) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(
    identity: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[harness.Upstream, process.Gateway, pathlib.Path]]:
    """Yield a manager behind a gateway with TLS, the default limit of log-ins and a short time for answers."""
    folder = tmp_path_factory.mktemp("strict")
    upstream = harness.Upstream()
    certificate = options.Certificate(chain=identity / "gateway.crt", key=identity / "gateway.key")
    async with (
        harness.serving(upstream, identity=identity) as address,
        gateway(
            folder,
            identity,
            "127.0.0.1:1",  # nobody listens there: the other one serves all
            address,
            tls=certificate,
            request_timeout=0.3,
            trusted_proxies=1,
            access_log=str(folder / "access.log"),
        ) as running,
    ):
        yield upstream, running, folder / "access.log"


@pytest.fixture
def trusting(identity: pathlib.Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(identity / "ca.crt"))


async def test_a_body_over_1_mib_is_413(manager: harness.Upstream, url: str) -> None:
    body = json.dumps({"description": "x" * (1 << 20)}).encode()

    answer = await harness.call(url, "POST", "/api/v1/strategies", body=body)

    assert (answer.status, answer.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert manager.requests == []


async def test_a_body_just_below_1_mib_passes(manager: harness.Upstream, url: str) -> None:
    body = json.dumps({"description": "x" * ((1 << 20) - 100)}).encode()

    answer = await harness.call(url, "POST", "/api/v1/strategies", body=body)

    assert (answer.status, len(manager.requests)) == (200, 1)


async def test_a_client_address_may_try_to_log_in_five_times_a_minute(
    strict: tuple[harness.Upstream, process.Gateway, pathlib.Path], trusting: ssl.SSLContext, identity: pathlib.Path
) -> None:
    _, running, _ = strict

    async def attempt(client: str, path: str = "/api/v1/auth/login") -> harness.Answer:
        headers = {"x-forwarded-for": f"6.6.6.6, {client}"}  # the first may be anything
        return await harness.call(running.url, "POST", path, json_body=_LOGIN, headers=headers, context=trusting)

    answers = [await attempt("192.0.2.1") for _ in range(6)]
    with_query = await attempt("192.0.2.1", "/api/v1/auth/login?email=a")
    of_another = await attempt("192.0.2.2")
    networks = [await attempt(f"2001:db8::{host}") for host in range(6)]

    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json["code"] == "TOO_MANY_ATTEMPTS"
    assert answers[-1].headers["retry-after"] == "60"
    assert with_query.status == 429
    assert of_another.status == 200
    assert [answer.status for answer in networks] == [200] * 5 + [429]

    credentials = grpc.ssl_channel_credentials((identity / "ca.crt").read_bytes())
    async with grpc.aio.secure_channel(f"127.0.0.1:{running.address[1]}", credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await auth_pb2_grpc.AuthServiceStub(channel).Login(
                auth_pb2.LoginRequest(**_LOGIN), metadata=(("x-forwarded-for", "192.0.2.1"),), timeout=5
            )
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_answer_that_takes_too_long_is_504(
    strict: tuple[harness.Upstream, process.Gateway, pathlib.Path], trusting: ssl.SSLContext
) -> None:
    upstream, running, _ = strict
    ended = asyncio.Event()

    async def hang(_request: object, _context: object) -> cluster_pb2.ListNodesResponse:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    upstream.answer("ListNodes", hang)
    answer = await harness.call(running.url, "GET", "/api/v1/nodes", context=trusting)
    upstream.forget()

    assert (answer.status, answer.json["code"]) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(ended.wait(), timeout=5)


async def test_a_request_is_known_by_one_id_everywhere(
    strict: tuple[harness.Upstream, process.Gateway, pathlib.Path], trusting: ssl.SSLContext
) -> None:
    upstream, running, log = strict

    answer = await harness.call(
        running.url,
        "GET",
        "/api/v1/nodes/n1/metrics?x=secret",
        headers={"x-request-id": "mine", "authorization": "Bearer secret"},
        context=trusting,
    )
    good = await harness.call(
        running.url, "GET", "/api/v1/nodes/n1/metrics", headers={"authorization": "Bearer secret"}, context=trusting
    )

    assert upstream.metadata["x-request-id"] == good.headers["x-request-id"]
    assert answer.headers["x-request-id"] != "mine"
    lines = await _lines(log, good.headers["x-request-id"])
    mine = next(line for line in lines if line["request_id"] == good.headers["x-request-id"])
    assert (mine["method"], mine["path"], mine["status"]) == ("GET", "/api/v1/nodes/n1/metrics", 200)
    assert mine["rpc"] == "gthulhu.v1.ClusterService.GetNodeMetrics"
    assert "secret" not in json.dumps(lines)


async def test_the_client_address_is_one_that_can_be_believed(
    strict: tuple[harness.Upstream, process.Gateway, pathlib.Path],
    trusting: ssl.SSLContext,
    manager: harness.Upstream,
    url: str,
) -> None:
    upstream, running, _ = strict
    forged = {"x-forwarded-for": "6.6.6.6, 192.0.2.9"}

    await harness.call(url, "GET", "/api/v1/nodes", headers=forged)
    await harness.call(running.url, "GET", "/api/v1/nodes", headers=forged, context=trusting)

    assert manager.metadata["x-forwarded-for"] == "127.0.0.1"
    assert upstream.metadata["x-forwarded-for"] == "192.0.2.9"


async def test_clients_are_told_to_stay_with_tls(
    strict: tuple[harness.Upstream, process.Gateway, pathlib.Path], trusting: ssl.SSLContext, url: str
) -> None:
    _, running, _ = strict

    secure = await harness.call(running.url, "GET", "/nope", context=trusting)
    plain = await harness.call(url, "GET", "/nope")

    assert "strict-transport-security" in secure.headers
    assert "strict-transport-security" not in plain.headers


@pytest.mark.parametrize("path", ["/health", "/nope", "/api/v1/nodes"])
async def test_every_answer_carries_the_security_headers(manager: harness.Upstream, url: str, path: str) -> None:
    answer = await harness.call(url, "GET", path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["server"] == "gthulhu"
    assert len(manager.requests) == (path != "/nope")


@pytest.mark.parametrize(("origin", "allowed"), [("https://ui.example", True), ("https://evil.example", False)])
async def test_only_configured_origins_may_call_from_a_browser(
    manager: harness.Upstream, url: str, origin: str, *, allowed: bool
) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}

    preflight = await harness.call(url, "OPTIONS", "/api/v1/strategies", headers=asked)
    answer = await harness.call(url, "GET", "/api/v1/nodes", headers={"origin": origin})

    assert preflight.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert len(manager.requests) == 1
    if allowed:
        assert preflight.headers["access-control-allow-methods"] == "DELETE, GET, POST, PUT"
        assert "authorization" in preflight.headers["access-control-allow-headers"]


async def test_a_dead_manager_is_503_and_soon_reached_again(
    identity: pathlib.Path, tmp_path: pathlib.Path, unused_tcp_port: int
) -> None:
    upstream = harness.Upstream()
    async with gateway(tmp_path, identity, f"127.0.0.1:{unused_tcp_port}") as running:
        dead = await harness.call(running.url, "GET", "/health")
        async with harness.serving(upstream, identity=identity, port=unused_tcp_port):
            alive = await _until_reached(running.url)

    assert (dead.status, dead.json["code"], dead.headers["retry-after"]) == (503, "UNAVAILABLE", "1")
    assert alive.status == 200


async def test_a_server_without_the_managers_identity_gets_no_request(
    identity: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "pki"
    folder.mkdir()
    authority = pki.Authority.load(identity)
    authority.issue("gateway", folder, dns=["gthulhu-manager"], ips=["127.0.0.1"])
    for end in ("crt", "key"):  # the same CA and the right names, but another part's identity
        (folder / f"gateway.{end}").rename(folder / f"manager.{end}")
    (folder / "ca.crt").write_bytes((identity / "ca.crt").read_bytes())
    upstream = harness.Upstream()

    async with (
        harness.serving(upstream, identity=folder) as address,
        gateway(tmp_path / "gateway", identity, address) as running,
    ):
        answer = await harness.call(running.url, "GET", "/health")

    assert (answer.status, answer.json["code"]) == (503, "UNAVAILABLE")
    assert upstream.requests == []


@pytest.mark.parametrize(("ranges", "open_"), [(["10.0.0.0/8", "::1"], False), (["10.0.0.0/8", "127.0.0.1"], True)])
async def test_what_needs_no_token_may_be_open_to_some_addresses_only(
    tmp_path: pathlib.Path, ranges: list[str], *, open_: bool
) -> None:
    upstream = harness.Upstream()
    async with harness.serving(upstream, socket=tmp_path / "a.sock") as address:
        settings = options.Options(
            kind="agent", listen="127.0.0.1:0", upstreams=[address], open_to=ranges, access_log=""
        )
        async with process.Gateway(settings, folder=tmp_path / "gateway", concurrency=1) as running:
            answers = [await harness.call(running.url, "GET", path) for path in ("/health", "/version", "/metrics?a=1")]
            other = await harness.call(running.url, "GET", "/api/v1/pods/pids")
            token = await harness.call(running.url, "POST", "/api/v1/auth/token", json_body={})
            async with grpc.aio.insecure_channel(f"127.0.0.1:{running.address[1]}") as channel:
                native = system_pb2_grpc.SystemServiceStub(channel).GetHealth(system_pb2.GetHealthRequest(), timeout=5)
                code = await native.code()

    assert [answer.status for answer in answers[:2]] == ([200, 200] if open_ else [403, 403])
    assert answers[2].status == (400 if open_ else 403)  # what follows a path makes no difference
    assert (code is grpc.StatusCode.OK) is open_
    assert (other.status, token.status) == (200, 200)
    assert open_ or answers[0].json == {
        "success": False,
        "error": "this is not open to your address",
        "code": "ADDRESS_REFUSED",
    }


async def test_renewed_certificates_are_taken_without_a_restart(identity: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """All at once: what clients see, what the manager sees, and whom the gateway trusts."""
    folder = tmp_path / "pki"
    shutil.copytree(identity, folder)
    certificate = options.Certificate(chain=folder / "gateway.crt", key=folder / "gateway.key")
    of_others = pki.Authority.create(tmp_path / "ca", trust_domain=harness.TRUST_DOMAIN)
    of_others.issue("manager", tmp_path / "manager")
    upstream = harness.Upstream()

    async with (
        harness.serving(upstream, identity=tmp_path / "manager") as address,
        gateway(tmp_path / "gateway", folder, address, tls=certificate) as running,
    ):
        before = await _shown(running)
        refused = await harness.call(running.url, "GET", "/health", context=_anybody())
        of_others.issue("gateway", folder)
        async with asyncio.timeout(10):
            while (after := await _shown(running)) == before:  # noqa: ASYNC110 - Envoy tells nobody
                await asyncio.sleep(0.05)
        answer = await _until_reached(running.url, context=_anybody())

    assert refused.status == 503
    assert after == ssl.PEM_cert_to_DER_cert((folder / "gateway.crt").read_text().partition("-----END")[0] + _END)
    assert answer.status == 200


async def _shown(running: process.Gateway) -> bytes:
    """Return the certificate that a gateway shows."""
    text = await asyncio.to_thread(ssl.get_server_certificate, running.address)
    return ssl.PEM_cert_to_DER_cert(text)


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _until_reached(url: str, *, context: ssl.SSLContext | None = None) -> harness.Answer:
    async with asyncio.timeout(10):
        while (answer := await harness.call(url, "GET", "/health", context=context)).status == 503:  # noqa: ASYNC110 - Envoy tells nobody
            await asyncio.sleep(0.05)
    return answer


async def _lines(log: pathlib.Path, awaited: str) -> list[dict[str, object]]:
    async with asyncio.timeout(10):
        while awaited not in (text := await asyncio.to_thread(log.read_text)):  # noqa: ASYNC110 - nor here
            await asyncio.sleep(0.05)
    return [json.loads(line) for line in text.splitlines()]
