"""What it takes a manager to enrol an agent, and whether the time of a log-in gives users away."""

import asyncio
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))  # benchmarks are run as files

from gthulhu.common.grpc import channel
from gthulhu.common.identity import enrollment, tls
from gthulhu.manager import app
from gthulhu.v1 import auth_pb2, auth_pb2_grpc, enrollment_pb2, enrollment_pb2_grpc
from tests.integration.identity import rig
from tests.integration.manager import rig as managers

_AGENTS = 100
_LOG_INS = 40

Row = dict[str, object]


def run() -> list[Row]:
    """See scripts/bench.py."""
    return asyncio.run(_run())


async def _run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        installation = managers.install(pathlib.Path(folder) / "installation")
        cluster = rig.Cluster()
        cluster.tokens["t"] = rig.PodToken()
        (pathlib.Path(folder) / "cluster").mkdir()
        async with rig.manager_that_signs(installation) as manager:
            rows = [await _joins(installation, manager), *await _log_ins(installation, manager)]
        async with (
            cluster.running(pathlib.Path(folder) / "cluster") as kubeconfig,
            rig.manager_that_signs(installation, kubeconfig=kubeconfig) as manager,
        ):
            return [*rows, await _reviews(installation, manager)]


async def _joins(installation: managers.Installation, manager: app.Manager) -> Row:
    requests = [
        enrollment_pb2.EnrollRequest(
            csr=enrollment.new_request(node="n").csr, join_token=rig.join_token(installation, f"node-{number}")
        )
        for number in range(_AGENTS)
    ]
    return await _enrolled("enrolment by join token", installation, manager, requests)


async def _reviews(installation: managers.Installation, manager: app.Manager) -> Row:
    csr = enrollment.new_request(node="n").csr
    requests = [enrollment_pb2.EnrollRequest(csr=csr, service_account_token="t")] * _AGENTS
    return await _enrolled("enrolment by service-account token", installation, manager, requests)


async def _enrolled(
    name: str,
    installation: managers.Installation,
    manager: app.Manager,
    requests: Sequence[enrollment_pb2.EnrollRequest],
) -> Row:
    """Return what one takes, of so many, one after the other: fewer than are let through at once."""
    credentials = tls.anonymous_channel_credentials(installation.folder / "pki" / "ca.crt")
    target = f"127.0.0.1:{manager.enrollment_port}"
    async with channel.open_channel(target, credentials, server_name="gthulhu-manager") as opened:
        stub = enrollment_pb2_grpc.EnrollmentServiceStub(opened)
        times = []
        for request in requests:
            began = time.perf_counter()
            await stub.Enroll(request)
            times.append(time.perf_counter() - began)
    return {"name": name, "value": statistics.median(times) * 1000, "unit": "ms"}


async def _log_ins(installation: managers.Installation, manager: app.Manager) -> list[Row]:
    async with rig.administrator(installation, manager) as (opened, _):
        stub = auth_pb2_grpc.AuthServiceStub(opened)

        async def refused(username: str, password: str) -> float:
            began = time.perf_counter()
            try:
                await stub.Login(auth_pb2.LoginRequest(username=username, password=password))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
            return time.perf_counter() - began

        # Four with the administrator's name, below the limit; a log-in that succeeds clears the count.
        known, unknown = [], []
        for number in range(_LOG_INS):
            known.append(await refused("admin", "a-wrong-password-9"))
            unknown.append(await refused(f"nobody-{number}", "a-wrong-password-9"))
            if number % 3 == 2:
                await stub.Login(auth_pb2.LoginRequest(username="admin", password=rig.PASSWORD))
    first, second = statistics.median(known), statistics.median(unknown)
    return [
        {"name": "refused log-in, user is there", "value": first * 1000, "unit": "ms"},
        {"name": "refused log-in, user is not there", "value": second * 1000, "unit": "ms"},
        {"name": "ratio of both", "value": first / second, "unit": "", "goal": "0.9 to 1.1"},
    ]
