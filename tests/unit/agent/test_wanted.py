"""Both sets of intents, and in what order they reach disk and kernel."""

import pathlib
from collections.abc import Mapping

import pytest

from gthulhu.agent import held, wanted
from gthulhu.agent.domain import intent as intents
from tests.unit.agent.test_held import an_intent


class Kernel:
    """Keeps what was applied, and what was on disk at that moment."""

    def __init__(self, file: held.HeldFile) -> None:
        self.applied: list[set[str]] = []
        self.on_disk: list[held.Held | None] = []
        self._file = file

    async def set_intents(self, wanted: Mapping[str, intents.Intent]) -> None:
        self.applied.append(set(wanted))
        self.on_disk.append(self._file.load())


class Rig:
    """Both files in one folder, and a kernel."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.file, self.posted = held.HeldFile(folder / "intents"), held.HeldFile(folder / "posted")
        self.kernel = Kernel(self.file)
        self.wanted = wanted.Wanted(reconciler=self.kernel, manager_file=self.file, posted_file=self.posted)


@pytest.fixture
def rig(tmp_path: pathlib.Path) -> Rig:
    return Rig(tmp_path)


def a_set(*names: str) -> held.Held:
    return held.Held(intents={name: an_intent(name, pod_uid=f"pod-{name}") for name in names})


async def test_a_set_is_on_disk_before_it_is_in_force(rig: Rig) -> None:
    await rig.wanted.accept(a_set("a"))
    assert rig.kernel.applied == [{"a"}]
    assert rig.kernel.on_disk == [a_set("a")]


async def test_a_set_that_cannot_be_written_is_not_in_force(rig: Rig) -> None:
    await rig.wanted.accept(a_set("a"))
    rig.file.path.with_name("intents.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        await rig.wanted.accept(a_set("b"))
    assert rig.kernel.applied == [{"a"}]
    assert rig.wanted.held == a_set("a")


async def test_after_a_restart_both_sets_are_in_force_again(rig: Rig, tmp_path: pathlib.Path) -> None:
    await rig.wanted.accept(a_set("a"))
    await rig.wanted.replace_posted(a_set("b").intents.values())
    later = Rig(tmp_path)
    await later.wanted.load()
    assert later.kernel.applied == [{"a", "b"}]


async def test_of_an_unusable_file_nothing_follows_until_a_manager_speaks(rig: Rig) -> None:
    rig.file.path.write_bytes(b"torn")
    await rig.wanted.load()
    await rig.wanted.withdraw()
    await rig.wanted.replace_posted(a_set("b").intents.values())
    assert (rig.kernel.applied, rig.wanted.known) == ([], False)
    await rig.wanted.confirm()
    assert (rig.kernel.applied, rig.wanted.known) == ([{"b"}], True)


async def test_what_is_withdrawn_is_held_and_comes_back(rig: Rig) -> None:
    await rig.wanted.accept(a_set("a"))
    await rig.wanted.replace_posted(a_set("b").intents.values())
    await rig.wanted.withdraw()
    await rig.wanted.withdraw()
    assert rig.kernel.applied[2:] == [{"b"}]
    assert rig.wanted.held == a_set("a")
    await rig.wanted.restore()
    await rig.wanted.restore()
    assert rig.kernel.applied[3:] == [{"a", "b"}]


async def test_confirming_what_is_in_force_touches_nothing(rig: Rig) -> None:
    await rig.wanted.accept(a_set("a"))
    await rig.wanted.confirm()
    assert len(rig.kernel.applied) == 1


def test_a_pod_that_the_manager_speaks_of_is_governed_by_the_manager_alone() -> None:
    manager = {"m": an_intent("m", pod_uid="one")}
    posted = {"p": an_intent("p", pod_uid="one"), "q": an_intent("q", pod_uid="two")}
    assert set(wanted.merge(manager=manager, posted=posted)) == {"m", "q"}
