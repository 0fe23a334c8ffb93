"""Weights of cgroups in both dialects, and whose value is whose."""

import pathlib
from collections.abc import Iterator

import pytest

from gthulhu.agent.enforcement import limits, originals, weights
from gthulhu.agent.kernel import hierarchy as hierarchies

CGROUP = "kubepods/podX"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time


class World:
    """One cgroup, and records that survive."""

    def __init__(self, folder: pathlib.Path, *, version: int, base: int) -> None:
        self.folder = folder
        self.base = base
        self.clock = Clock()
        self.hierarchy = hierarchies.Hierarchy(version=version, root=folder / "cgroup")
        self.file = self.hierarchy.root / CGROUP / self.hierarchy.weight_file
        self.file.parent.mkdir(parents=True)
        self.file.write_text(f"{base}\n")
        self.open()

    def open(self) -> None:
        self.records = originals.Originals(self.folder / "originals.sqlite3", boot_id="b")
        self.weights = weights.Weights(hierarchy=self.hierarchy, records=self.records, clock=self.clock)

    def restart(self) -> None:
        self.records.close()
        self.open()

    def set(self, priority: int) -> tuple[str, ...]:
        found = self.weights.prepare(CGROUP, pod_uid="u", priority=priority)
        self.records.commit()
        self.weights.write(CGROUP)
        return found

    def value(self) -> int:
        return int(self.file.read_text())


@pytest.fixture(params=[(1, 1024), (2, 100)], ids=["v1", "v2"])
def world(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[World]:
    version, base = request.param
    made = World(tmp_path, version=version, base=base)
    yield made
    made.records.close()


def test_a_weight_is_scaled_by_the_priority_and_put_back(world: World) -> None:
    world.set(5)
    assert world.value() == 4 * world.base
    world.set(20)
    assert world.value() == round(world.base / 16)
    assert world.weights.restore(CGROUP)
    assert world.value() == world.base
    assert world.weights.of("u") == frozenset()


def test_what_a_restart_finds_of_ours_is_no_new_base(world: World) -> None:
    world.set(5)
    world.restart()
    world.set(0)
    assert world.value() == 16 * world.base
    world.weights.restore(CGROUP)
    assert world.value() == world.base


def test_a_crash_between_noting_and_writing_loses_nothing(world: World) -> None:
    world.set(5)
    world.weights.prepare(CGROUP, pod_uid="u", priority=0)
    world.records.commit()
    world.restart()
    assert world.value() == 4 * world.base
    world.set(0)
    assert world.value() == 16 * world.base
    world.weights.restore(CGROUP)
    assert world.value() == world.base


def test_another_value_is_the_new_base_even_one_that_was_ours_before(world: World) -> None:
    world.set(5)
    world.set(0)
    world.file.write_text(str(4 * world.base))
    world.set(0)
    assert world.value() == min(64 * world.base, world.hierarchy.weight_range[1])
    world.weights.restore(CGROUP)
    assert world.value() == 4 * world.base


def test_the_base_written_again_is_answered_a_second_later(world: World) -> None:
    world.set(5)
    world.file.write_text(str(world.base))
    world.clock.time = 0.9
    world.set(5)
    assert world.value() == world.base
    assert world.weights.postponed == {"u"}
    world.clock.time = 1.0
    world.set(5)
    assert world.value() == 4 * world.base


def test_withdrawing_leaves_what_someone_else_has_written(world: World) -> None:
    world.set(5)
    world.file.write_text("77")
    assert not world.weights.restore(CGROUP)
    assert world.value() == 77


def test_a_weight_that_the_kernel_cannot_hold_is_clamped_and_said_to_be(world: World) -> None:
    highest = world.hierarchy.weight_range[1]
    world.file.write_text(str(highest // 2))
    assert world.set(3) == (limits.WEIGHT_CLAMPED,)
    assert world.value() == highest
    world.weights.restore(CGROUP)
    world.file.write_text(str(world.hierarchy.weight_range[0]))
    assert world.set(20) == (limits.WEIGHT_CLAMPED,)
    assert world.value() == world.hierarchy.weight_range[0]


def test_a_cgroup_without_a_weight_is_said_so(world: World) -> None:
    world.file.unlink()
    with pytest.raises(FileNotFoundError, match=world.hierarchy.weight_file):
        world.set(5)


def test_a_cgroup_that_is_gone_needs_no_restoring(world: World) -> None:
    world.set(5)
    world.file.unlink()
    assert not world.weights.restore(CGROUP)
    assert world.weights.of("u") == frozenset()
