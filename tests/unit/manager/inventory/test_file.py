"""Pods and nodes from a file: what it may say, and what happens when it changes or cannot be read."""

import asyncio
import logging
import pathlib
from collections.abc import AsyncIterator

import pytest

from gthulhu.common import clock as clocks
from gthulhu.common import errors
from gthulhu.manager.domain import pod as pods
from gthulhu.manager.inventory import base, file

GOOD = """
nodes:
  - name: node-1
pods:
  - {name: web-1, namespace: prod, uid: u1, node: node-1, labels: {app: web}, qosClass: Guaranteed, phase: Running}
  - {name: job-1, uid: u2, phase: Succeeded}
"""


def test_everything_that_it_may_say() -> None:
    view = file.parse(GOOD)
    assert view.nodes == {"node-1": pods.Node(name="node-1")}
    assert view.pods == {
        "u1": pods.Pod(
            uid="u1",
            name="web-1",
            namespace="prod",
            node="node-1",
            labels={"app": "web"},
            qos=pods.QosClass.GUARANTEED,
        ),
        "u2": pods.Pod(uid="u2", name="job-1", namespace="default", finished=True),
    }


def test_an_empty_file_is_an_empty_inventory() -> None:
    assert file.parse("") == file.View(nodes={}, pods={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pod: []", "the file: unknown key 'pod'; did you mean 'pods'?"),
        ("pods: [{name: a, uid: u, lables: {}}]", r"pods\[0\]: unknown key 'lables'; did you mean 'labels'?"),
        ("nodes: [{nam: a}]", r"nodes\[0\]: unknown key 'nam'; did you mean 'name'?"),
        ("pods: [{name: a}]", r"pods\[0\].uid: is missing"),
        ("pods: [{name: 7, uid: u}]", r"pods\[0\].name: must be text that is not empty, not 7"),
        ("pods: [{name: a, uid: u, qosClass: Best}]", "'Best' is not one of Guaranteed, Burstable, BestEffort"),
        ("pods: [{name: a, uid: u, phase: Done}]", "'Done' is not one of Pending, Running, Succeeded, Failed, Unknown"),
        ("pods: [{name: a, uid: u, labels: {version: 1}}]", r"pods\[0\].labels: must map text to text; quote numbers"),
        ("pods: [{name: a, uid: u}, {name: b, uid: u}]", "pods: uid 'u' is there twice"),
        ("pods: [{name: a, uid: u}, {name: a, uid: v}]", "pods: namespace/name 'default/a' is there twice"),
        ("nodes: [{name: a}, {name: a}]", "nodes: name 'a' is there twice"),
        ("nodes: [{name: a, ready: maybe}]", r"nodes\[0\].ready: 'maybe' is not true or false"),
        ("pods: {}", "pods: must be a list"),
        ("[]", "the file: must be a mapping with the keys nodes, pods"),
        ("pods: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system [true]", "not valid YAML"),
    ],
)
def test_what_it_may_not_say_is_named_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=message.replace("?", r"\?")):
        file.parse(text)


@pytest.fixture
async def changes(tmp_path: pathlib.Path) -> AsyncIterator[tuple[pathlib.Path, AsyncIterator[base.InventoryChange]]]:
    path = tmp_path / "inventory.yaml"
    watch = file.FileInventory(path=path, clock=clocks.SystemClock(), interval=0.01).watch()
    yield path, watch
    await watch.aclose()  # type: ignore[attr-defined] # it is a generator


async def following(watch: AsyncIterator[base.InventoryChange]) -> base.InventoryChange:
    async with asyncio.timeout(5):
        return await anext(watch)


def write(path: pathlib.Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def test_first_everything_then_only_what_has_changed(
    changes: tuple[pathlib.Path, AsyncIterator[base.InventoryChange]],
) -> None:
    path, watch = changes
    write(path, GOOD)
    first = await following(watch)
    assert first.complete
    assert {one.uid for one in first.pods} == {"u1", "u2"}
    write(path, GOOD.replace("app: web", "app: api").replace("- {name: job-1, uid: u2, phase: Succeeded}", ""))
    second = await following(watch)
    assert not second.complete
    assert [one.labels for one in second.pods] == [{"app": "api"}]
    assert second.removed_pods == ("u2",)
    assert second.nodes == second.removed_nodes == ()
    assert second.version > first.version


async def test_a_file_that_comes_later_is_read_then(
    changes: tuple[pathlib.Path, AsyncIterator[base.InventoryChange]],
) -> None:
    path, watch = changes
    reading = asyncio.ensure_future(following(watch))
    await asyncio.sleep(0.05)  # several looks at nothing: there is no event for it
    assert not reading.done()
    write(path, GOOD)
    assert (await reading).complete


async def test_an_unreadable_file_is_logged_and_the_last_good_view_stays(
    changes: tuple[pathlib.Path, AsyncIterator[base.InventoryChange]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, watch = changes
    write(path, GOOD)
    await following(watch)
    reading = asyncio.ensure_future(following(watch))
    warnings: asyncio.Queue[logging.LogRecord] = asyncio.Queue()
    monkeypatch.setattr(file._LOG, "handle", warnings.put_nowait)
    write(path, "pods: [{name: a, uid: u, lables: {}}]")
    async with asyncio.timeout(5):
        assert "did you mean 'labels'?" in (await warnings.get()).getMessage()
    assert not reading.done()
    write(path, GOOD + "  - {name: new, uid: u3}\n")
    after = await reading
    assert [one.uid for one in after.pods] == ["u3"]
    assert after.removed_pods == ()


async def test_a_file_that_says_the_same_again_is_no_change(
    changes: tuple[pathlib.Path, AsyncIterator[base.InventoryChange]],
) -> None:
    path, watch = changes
    write(path, GOOD)
    await following(watch)
    write(path, GOOD + "# only a comment\n")
    reading = asyncio.ensure_future(following(watch))
    await asyncio.sleep(0.1)  # long enough for several looks: there is no event for nothing
    assert not reading.done()
    write(path, GOOD.replace("node-1", "node-2"))
    assert [one.name for one in (await reading).nodes] == ["node-2"]
