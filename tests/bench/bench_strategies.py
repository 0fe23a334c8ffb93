"""What it costs the agent to answer a scheduler that polls 5,000 unchanged decisions every second.

The agent's CPU time (user and system, of its own process) a call over its unix socket, beside that of the obvious way:
making the JSON anew for each call.
"""

import asyncio
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.api import httpbody_pb2

from gthulhu.agent import reconciler
from gthulhu.agent.domain import decision as decisions
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.domain import process as processes
from gthulhu.agent.domain import table
from gthulhu.agent.enforcement import base as enforcing
from gthulhu.agent.services import authorization, strategies, tokens
from gthulhu.common import clock as clocks
from gthulhu.common.grpc import access, channel, context, errors, validation
from gthulhu.common.identity import tokens as identity_tokens
from gthulhu.v1 import decision_maker_pb2, decision_maker_pb2_grpc

CALLS = 200
PODS = 100
SLICE = 20_000_000
TICK = 1 / os.sysconf("SC_CLK_TCK")
HOUR = datetime.timedelta(hours=1)
NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class View:
    """So many decisions, in a hundred pods."""

    generation = 1

    def __init__(self, count: int) -> None:
        self._intents = {
            f"i{number}": intents.Intent(
                id=f"i{number}",
                version="1",
                strategy_id="s",
                strategy_created_at=NOW,
                pod_uid=f"p{number}",
                labels={"app": "nginx", "tier": "front"},
                command_regex="nginx",
                priority=5,
            )
            for number in range(PODS)
        }
        self._decisions = [self._one(pid) for pid in range(1000, 1000 + count)]

    def intents(self) -> Mapping[str, intents.Intent]:
        return self._intents

    def decisions(self) -> Sequence[reconciler.Enforced]:
        return self._decisions

    @staticmethod
    def _one(pid: int) -> reconciler.Enforced:
        key = processes.ProcessKey(pid, 1)
        return reconciler.Enforced(
            decision=decisions.Decision(
                process=key,
                pod_uid=f"p{pid % PODS}",
                container_id="c",
                intent_id=f"i{pid % PODS}",
                strategy_id="s",
                priority=5,
                execution_time_ns=0,
                threads=(pid,),
            ),
            process=processes.Process(key=key, comm="nginx", container_id="c", threads=(pid,)),
            effect=enforcing.Effect(),
            share=None,
        )


class Kept:
    """Answers with the bytes that are kept."""

    def __init__(self, view: View) -> None:
        self._table = strategies.Strategies(view=view, default_slice_ns=SLICE)

    def body(self) -> bytes:
        return self._table.body(now=datetime.datetime.now(datetime.UTC))


class Anew:
    """Answers with JSON that is made for each call."""

    def __init__(self, view: View) -> None:
        self._view = view

    def body(self) -> bytes:
        entries = table.build(of=(one.decision for one in self._view.decisions()), default_slice_ns=SLICE).entries
        known = self._view.intents()
        scheduling = [
            {
                "priority": one.priority,
                "execution_time": one.execution_time_ns,
                "pid": one.pid,
                "selectors": [{"key": key, "value": value} for key, value in known[one.intent_id].labels.items()],
                "command_regex": known[one.intent_id].command_regex,
            }
            for one in entries
        ]
        return json.dumps({"success": True, "timestamp": "", "scheduling": scheduling}).encode()


class Service(decision_maker_pb2_grpc.DecisionMakerServiceServicer):
    """The one route."""

    def __init__(self, answers: Kept | Anew) -> None:
        self._answers = answers

    async def GetSchedulingStrategies(self, request: Any, context: Any) -> httpbody_pb2.HttpBody:  # noqa: ANN401, ARG002, N802 - the schema's
        return httpbody_pb2.HttpBody(content_type="application/json", data=self._answers.body())


async def serve(kind: str, count: int, path: str, folder: str) -> None:
    """Answer until killed, behind everything that an agent's calls go through."""
    view, clock = View(count), clocks.SystemClock()
    client_tokens = tokens.ClientTokens(
        ring=identity_tokens.KeyRing.load_or_create(pathlib.Path(folder)),
        clients={},
        lifetime=HOUR,
        clock=clock,
        count=lambda _: None,
    )
    server = channel.create_server(
        (
            context.ContextInterceptor(trust_domain="gthulhu.local"),
            errors.ErrorInterceptor(),
            authorization.AuthorizationInterceptor(rules=access.rules(), client_tokens=client_tokens),
            validation.ValidationInterceptor(),
        )
    )
    decision_maker_pb2_grpc.add_DecisionMakerServiceServicer_to_server(
        Service(Kept(view) if kind == "kept" else Anew(view)), server
    )
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process (proc_pid_stat(5), fields 14 and 15)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def measure(kind: str, count: int) -> tuple[float, float]:
    """Return the server's CPU time and the latency of a call, both in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bench.sock"
        token = identity_tokens.KeyRing.load_or_create(pathlib.Path(folder)).issue(
            subject="scheduler",
            audience=tokens.AUDIENCE,
            kind="scheduler",
            lifetime=HOUR,
            claims={"scope": "SCHEDULER"},
            now=clocks.SystemClock().now(),
        )
        metadata = (("authorization", f"Bearer {token}"),)
        process = subprocess.Popen([sys.executable, __file__, kind, str(count), path, folder])
        try:
            with grpc.insecure_channel(
                f"unix:{path}", options=(("grpc.max_receive_message_length", 1 << 23),)
            ) as opened:
                stub = decision_maker_pb2_grpc.DecisionMakerServiceStub(opened)
                request = decision_maker_pb2.GetSchedulingStrategiesRequest()
                stub.GetSchedulingStrategies(request, metadata=metadata, wait_for_ready=True, timeout=30)
                before, began = cpu_seconds(process.pid), time.monotonic()
                for _ in range(CALLS):
                    stub.GetSchedulingStrategies(request, metadata=metadata, timeout=30)
                latency = time.monotonic() - began
                return (cpu_seconds(process.pid) - before) / CALLS * 1e3, latency / CALLS * 1e3
        finally:
            process.kill()
            process.wait()


def run() -> list[dict[str, object]]:
    """Measure with no, 1,000 and 5,000 decisions."""
    rows: list[dict[str, object]] = []
    for count in (0, 1000, 5000):
        cpu, latency = measure("kept", count)
        baseline, slow = measure("anew", count)
        name = f"strategies, {count} decisions, unchanged"
        goal = 1.0 if count == 5000 else None
        rows.append(
            {
                "name": f"{name}: agent CPU",
                "value": cpu,
                "unit": "ms",
                "goal": goal,
                "baseline": baseline,
                "ratio": baseline / cpu if cpu else None,
            }
        )
        rows.append(
            {"name": f"{name}: latency", "value": latency, "unit": "ms", "baseline": slow, "ratio": slow / latency}
        )
    return rows


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
