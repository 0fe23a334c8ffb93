"""Originals survive everything but a reboot."""

import pathlib

import pytest

from gthulhu.agent.domain import process as processes
from gthulhu.agent.enforcement import originals, threads
from gthulhu.common import errors

WEIGHT = originals.Weight(cgroup="a/b", pod_uid="u", base=1, applied=2, previous=3)
THREAD = originals.ThreadSetting(
    process=processes.ProcessKey(10, 99),
    tid=11,
    pod_uid="u",
    original=threads.Setting(0, 1),
    applied=threads.Setting(-9, 2),
    previous=threads.Setting(-3, 3),
)


def filled(path: pathlib.Path, *, boot_id: str = "one") -> originals.Originals:
    records = originals.Originals(path, boot_id=boot_id)
    records.put_pod("u", "a")
    records.put_weight(WEIGHT)
    records.put_thread(THREAD)
    return records


def reopened(records: originals.Originals, path: pathlib.Path, *, boot_id: str = "one") -> originals.Originals:
    records.close()
    return originals.Originals(path, boot_id=boot_id)


def test_what_is_committed_is_there_after_a_crash_and_what_is_not_is_not(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / "originals.sqlite3"
    records = filled(path)
    records.commit()
    records.drop_weight(WEIGHT.cgroup)
    records = reopened(records, path)
    assert records.pods == {"u": "a"}
    assert records.weights == {WEIGHT.cgroup: WEIGHT}
    assert records.threads == {"u": {THREAD.process: {THREAD.tid: THREAD}}}
    records.close()


def test_a_dropped_pod_leaves_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "originals.sqlite3"
    records = filled(path)
    records.commit()
    records.drop_pod("u")
    assert (records.pods, records.weights, records.threads) == ({}, {}, {})
    records.commit()
    records = reopened(records, path)
    assert (records.pods, records.weights, records.threads) == ({}, {}, {})
    records.close()


def test_another_boot_has_other_originals(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "originals.sqlite3"
    records = filled(path)
    records.commit()
    records = reopened(records, path, boot_id="two")
    assert (records.pods, records.weights, records.threads) == ({}, {}, {})
    records.close()


def test_one_process_has_them_at_a_time(tmp_path: pathlib.Path) -> None:
    records = filled(tmp_path / "originals.sqlite3")
    with pytest.raises(errors.ConflictError, match="stop it first"):
        originals.Originals(tmp_path / "originals.sqlite3", boot_id="one")
    records.close()
