"""A client as the one that existing sched_ext schedulers have: what it reads, refuses and ignores, and nothing more."""

import json
import time
from typing import Any

import grpc

from gthulhu.v1 import decision_maker_pb2, decision_maker_pb2_grpc, metric_pb2

Table = dict[int, tuple[int, int]]
"""PID → (priority, slice in nanoseconds)."""


class RefusedError(Exception):
    """The answer does not fit the types that the client was compiled with."""


class SchedulerClient:
    """Polls an agent; keeps a table of what each PID gets."""

    def __init__(self, channel: grpc.aio.Channel, *, public_key: str) -> None:
        self.table: Table = {}
        self.tokens_asked = 0
        self._stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(channel)
        self._public_key = public_key
        self._token = ""
        self._token_ends = 0

    async def tick(self) -> None:
        """Do what the scheduler does each second: a token where the old one is over, strategies, metrics."""
        await self._authenticate()
        try:
            answer = await self._stub.GetSchedulingStrategies(
                decision_maker_pb2.GetSchedulingStrategiesRequest(), metadata=self._metadata(), timeout=5
            )
        except grpc.aio.AioRpcError as error:
            # It reads no status here: what is no list leaves the table, and a refused token is no reason to get one.
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise
            return
        self.table = read(answer.data, before=self.table)
        await self._stub.ReportMetrics(
            metric_pb2.MetricSet(usersched_last_run_at=2**64 - 1, nr_queued=3, nr_online_cpus=2),
            metadata=self._metadata(),
            timeout=5,
        )

    async def _authenticate(self) -> None:
        if self._token and time.time() < self._token_ends:
            return
        self.tokens_asked += 1
        answer = await self._stub.IssueToken(
            decision_maker_pb2.IssueTokenRequest(public_key=self._public_key, client_id="scheduler"), timeout=5
        )
        data = json.loads(answer.data)["data"]
        self._token, self._token_ends = data["token"], integer(data, "expired_at")

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token}"),)


def read(content: bytes, *, before: Table) -> Table:
    """Return the table that a list makes; null or nothing leaves the one before."""
    read_without_case = {key.lower(): value for key, value in json.loads(content).items()}
    if (scheduling := read_without_case.get("scheduling")) is None:
        return before
    table = {}
    for element in scheduling:
        entry = {key.lower(): value for key, value in element.items()}
        table[integer(entry, "pid")] = (integer(entry, "priority"), integer(entry, "execution_time"))
    return table


def integer(element: dict[str, Any], name: str) -> int:
    """Return a number that must be an integer of JSON."""
    value = element[name]
    if type(value) is not int:
        raise RefusedError(f"{name} {value!r} is no integer")
    return value
