"""Chunks become a delta, or nothing."""

import pytest

from gthulhu.agent.session import assembly
from gthulhu.v1 import session_pb2


def chunk(
    nonce: str, number: int, of: int, *names: str, removed: tuple[str, ...] = ()
) -> session_pb2.StreamIntentsResponse.Delta:
    return session_pb2.StreamIntentsResponse.Delta(
        nonce=nonce,
        chunk=number,
        chunks=of,
        set=[session_pb2.Intent(id=name, version="1") for name in names],
        removed=removed,
        revisions=session_pb2.Revisions(store=number),
    )


def test_a_delta_is_there_with_its_last_chunk() -> None:
    parts = assembly.Assembly()
    assert parts.add(chunk("n", 1, 3, "a")) is None
    assert parts.add(chunk("n", 2, 3, "b", removed=("x",))) is None
    delta = parts.add(chunk("n", 3, 3, removed=("y",)))
    assert delta is not None
    assert [one.id for one in delta.set] == ["a", "b"]
    assert (delta.removed, delta.revisions.store, delta.nonce) == (frozenset({"x", "y"}), 3, "n")
    parts.require_complete()
    assert parts.add(chunk("m", 1, 1)) is not None


@pytest.mark.parametrize(
    "then",
    [chunk("n", 1, 2), chunk("n", 3, 2), chunk("m", 2, 2), chunk("n", 2, 3), chunk("n", 0, 2)],
    ids=["again", "too far", "another delta", "another count", "none"],
)
def test_only_the_next_chunk_of_the_same_delta_may_come(then: session_pb2.StreamIntentsResponse.Delta) -> None:
    parts = assembly.Assembly()
    parts.add(chunk("n", 1, 2))
    with pytest.raises(assembly.ProtocolError):
        parts.add(then)


@pytest.mark.parametrize("first", [chunk("n", 2, 2), chunk("n", 1, 0), chunk("n", 0, 0)])
def test_a_delta_begins_with_its_first_chunk(first: session_pb2.StreamIntentsResponse.Delta) -> None:
    with pytest.raises(assembly.ProtocolError):
        assembly.Assembly().add(first)


def test_nothing_may_come_between() -> None:
    parts = assembly.Assembly()
    parts.add(chunk("n", 1, 2))
    with pytest.raises(assembly.ProtocolError, match="'n' was interrupted"):
        parts.require_complete()
