"""The accepted set on disk."""

import datetime
import json
import os
import pathlib
import stat

import pytest

from gthulhu.agent import held
from gthulhu.agent.domain import intent as intents

CREATED = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.UTC)


def an_intent(name: str = "a", **changes: object) -> intents.Intent:
    values: dict[str, object] = {
        "id": name,
        "version": "1",
        "strategy_id": "s",
        "strategy_created_at": CREATED,
        "pod_uid": "p",
        "labels": {"app": "näme", 'quo"te': "\\"},
        "command_regex": "^ng[i]nx$",
        "priority": 3,
        "execution_time_ns": 20_000_000,
    }
    return intents.Intent(**{**values, **changes})  # type: ignore[arg-type]  # values of many types


SET = held.Held(
    intents={"a": an_intent("a"), "b": an_intent("b", labels={})},
    revisions=held.Revisions(store=7, inventory=9, inventory_source="file:/x"),
)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> held.HeldFile:
    return held.HeldFile(tmp_path / "state" / "intents.held")


def test_what_is_saved_is_loaded(file: held.HeldFile) -> None:
    file.save(SET)
    assert file.load() == SET
    assert SET.versions() == {"a": "1", "b": "1"}


def test_nothing_saved_is_nothing_and_an_empty_set_is_a_set(file: held.HeldFile) -> None:
    assert file.load() is None
    file.save(held.Held())
    assert file.load() == held.Held()


def test_nobody_else_reads_it(file: held.HeldFile) -> None:
    file.save(SET)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [entry.name for entry in file.path.parent.iterdir()] == ["intents.held"]


@pytest.mark.parametrize("length", [0, 1, 40, 150, 300])
def test_a_torn_file_is_known_for_one(file: held.HeldFile, length: int) -> None:
    file.save(SET)
    file.path.write_bytes(file.path.read_bytes()[:length])
    with pytest.raises(held.HeldFileError, match=r"is torn|is no file of this program"):
        file.load()


def test_a_changed_byte_is_noticed(file: held.HeldFile) -> None:
    file.save(SET)
    file.path.write_bytes(file.path.read_bytes().replace(b'"priority":3', b'"priority":0'))
    with pytest.raises(held.HeldFileError, match="is torn"):
        file.load()


@pytest.mark.parametrize("content", [b"", b"hello\n", b"[]\n{}", b"\xff\xfe\n", b'{"format": "another"}\n{}'])
def test_a_foreign_file_is_known_for_one(file: held.HeldFile, content: bytes) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    with pytest.raises(held.HeldFileError, match=f"{file.path} is no file of this program"):
        file.load()


def test_a_newer_version_is_refused_by_its_number(file: held.HeldFile) -> None:
    file.save(SET)
    head, _, body = file.path.read_bytes().partition(b"\n")
    file.path.write_bytes(json.dumps(json.loads(head) | {"version": 2}).encode() + b"\n" + body)
    with pytest.raises(held.HeldFileError, match="has version 2, this release reads version 1"):
        file.load()


def test_a_failed_write_leaves_the_set_before(file: held.HeldFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.save(SET)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save(held.Held())
    assert file.load() == SET


def test_an_unusable_file_can_be_set_aside(file: held.HeldFile) -> None:
    file.save(SET)
    aside = file.set_aside()
    assert (aside.name, file.load()) == ("intents.held.unusable", None)


@pytest.mark.parametrize(
    ("before", "after", "highest"),
    [
        ((5, 5, "a"), (6, 4, "a"), (6, 5, "a")),
        ((5, 5, "a"), (4, 6, "a"), (5, 6, "a")),
        ((5, 5, "a"), (4, 1, "b"), (5, 1, "b")),
    ],
)
def test_revisions_never_fall_but_for_another_source(
    before: tuple[int, int, str], after: tuple[int, int, str], highest: tuple[int, int, str]
) -> None:
    def revisions(of: tuple[int, int, str]) -> held.Revisions:
        return held.Revisions(store=of[0], inventory=of[1], inventory_source=of[2])

    assert revisions(before).raised_to(revisions(after)) == revisions(highest)
