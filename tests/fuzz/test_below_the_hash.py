"""A hundred thousand hostile log-ins to what hashes passwords, with a hash that costs nothing."""

import collections
import logging
import pathlib

import grpc
import pytest

from gthulhu.common.identity import tokens
from gthulhu.v1 import auth_pb2
from tests.fuzz import hostile
from tests.fuzz.test_entry_points import calling, flood
from tests.unit.manager.services import harness

_COUNT = 100_000
_METHOD = "/gthulhu.v1.AuthService/Login"


def log_in(evil: hostile.Hostile) -> bytes:
    """Return a log-in that is well-formed, so that it gets as far as the hash unless the schema forbids its texts."""
    who, password = (evil.text().encode("utf-8", "replace").decode() for _ in range(2))
    name = f"{who[:200]}{evil.number()}"  # of its own, so that no lock gets in the way
    if evil.number() % 2:
        return auth_pb2.LoginRequest(username=name, password=password).SerializeToString()
    return auth_pb2.LoginRequest(email=name, password=password).SerializeToString()


async def test_no_hostile_log_in_is_a_fault_or_succeeds(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tokens.KeyRing.load_or_create(tmp_path / "jwt")
    evil = hostile.Hostile("below the hash")
    answers: collections.Counter[str] = collections.Counter()
    async with harness.serving(tmp_path, keys=keys) as api:
        before = api.hashing.verified
        with caplog.at_level(logging.ERROR):
            await flood(hostile.inputs(lambda: log_in(evil), _COUNT), calling(api.channel, _METHOD, answers))
        hashed = api.hashing.verified - before
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    sent = _COUNT if hostile.FULL else _COUNT // 10
    assert sum(answers.values()) == sent
    assert set(answers) <= {"UNAUTHENTICATED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert answers[grpc.StatusCode.UNAUTHENTICATED.name] == hashed > sent / 2
