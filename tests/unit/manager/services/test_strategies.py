"""Strategies over a real gRPC server: what users may do, and what they are told."""

import datetime
import pathlib
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import timestamp_pb2

from gthulhu.common.identity import tokens
from gthulhu.manager.domain.pod import Pod, QosClass
from gthulhu.manager.store import base as stores
from gthulhu.v1 import strategy_pb2 as pb
from tests.unit.manager.services import served

WEB = Pod(uid="u1", name="web-1", namespace="prod", node="a", labels={"app": "web"})
BATCH = Pod(uid="u2", name="batch-1", namespace="dev", node="b", labels={"app": "batch"}, qos=QosClass.BEST_EFFORT)
WAITING = Pod(uid="u3", name="web-2", namespace="dev", labels={"app": "web"})
DNS = Pod(uid="u4", name="dns", namespace="kube-system", node="a", labels={"app": "web"})


@pytest.fixture
async def it(tmp_path: pathlib.Path, keys: tokens.KeyRing) -> AsyncIterator[served.Served]:
    async with served.serve(tmp_path, keys, WEB, BATCH, WAITING, DNS) as running:
        yield running


def strategy(**fields: object) -> pb.ScheduleStrategy:
    given = {"name": "web", "label_selectors": [pb.LabelSelector(key="app", value="web")], "priority": 3} | fields
    return pb.ScheduleStrategy(**given)


async def create(it: served.Served, user: str = "admin", **fields: object) -> pb.ScheduleStrategy:
    return await it.strategies.CreateStrategy(pb.CreateStrategyRequest(strategy=strategy(**fields)), **it.as_user(user))


async def test_a_strategy_is_stored_complete_and_in_force_when_the_call_returns(it: served.Served) -> None:
    made = await create(it, priority=None, execution_time=20_000_000, id="ignored", creator="ignored", matched_pods=9)
    assert made.id not in {"", "ignored"}
    assert (made.strategy_namespace, made.priority, made.execution_time) == ("default", 10, 20_000_000)
    assert (made.creator_id, made.creator, made.state) == ("admin", "admin", pb.ScheduleStrategy.ACTIVE)
    assert made.etag
    assert made.matched_pods == 2
    assert list(made.warnings) == [
        "priority 10 is neutral: only the time slice changes",
        "pod kube-system/dns: not selected, because the namespace is denied to all strategies",
    ]
    assert [one.pod_name for one in it.world.intents_of("a").values()] == ["web-1"]
    read = await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=made.id), **it.as_user("admin"))
    del made.warnings[:]
    assert read == made


async def test_the_set_of_files_that_a_strategy_comes_from_is_given_once_and_stays(it: served.Served) -> None:
    made = await create(it, apply_set="git")
    request = pb.UpdateStrategyRequest(strategy_id=made.id, all_pods=True)
    changed = await it.strategies.UpdateStrategy(request, **it.as_user("admin"))
    assert (made.apply_set, changed.apply_set) == ("git", "git")
    async with served.refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"):
        await create(it, name="other", apply_set="No Name")


async def test_no_matching_pod_is_no_error(it: served.Served) -> None:
    made = await create(it, label_selectors=[pb.LabelSelector(key="app", value="none")])
    assert (made.matched_pods, list(made.warnings)) == (0, ["it selects no pod now"])


async def test_a_name_is_made_of_what_is_selected(it: served.Served) -> None:
    made = await create(it, name="", label_selectors=[pb.LabelSelector(key="example.com/App", value="My_Web.1")])
    assert made.name == f"my-web-1-{made.id[:6]}"


async def test_a_name_is_unique_in_its_folder(it: served.Served) -> None:
    await create(it)
    await create(it, strategy_namespace="other")
    async with served.refused(grpc.StatusCode.ALREADY_EXISTS, "STRATEGY_EXISTS"):
        await create(it)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"label_selectors": []}, "strategy.labelSelectors", "is empty"),
        ({"all_pods": True}, "strategy.allPods", "labelSelectors is not empty"),
        ({"command_regex": "a("}, "strategy.commandRegex", '"a(" is no RE2 expression: missing ): a('),
        ({"command_regex": "(?=a)"}, "strategy.commandRegex", "invalid perl operator: (?="),
        ({"expires_at": timestamp_pb2.Timestamp(seconds=1)}, "strategy.expiresAt", "is not in the future"),
        ({"expires_at": timestamp_pb2.Timestamp(seconds=1 << 60)}, "strategy.expiresAt", "years 1 to 9999"),
        ({"priority": 21}, "strategy.priority", "21"),
        ({"execution_time": -1}, "strategy.executionTime", "-1"),
        ({"label_selectors": [pb.LabelSelector(key="-")]}, "strategy.labelSelectors[0].key", "-"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    it: served.Served, fields: dict[str, object], field: str, said: str
) -> None:
    async with served.refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as faults:
        await create(it, **fields)
    ((name, description),) = faults
    assert name == field
    assert said in description
    assert not await it.store.list_strategies()


async def test_lists_are_in_pages_that_stay_right_while_strategies_come_and_go(it: served.Served) -> None:
    for name in ("b", "d", "f"):
        await create(it, name=name)
    await create(it, name="a", strategy_namespace="zoo")

    async def page(token: str) -> pb.ListStrategiesResponse:
        return await it.strategies.ListStrategies(
            pb.ListStrategiesRequest(page_size=2, page_token=token), **it.as_user("admin")
        )

    first = await page("")
    await create(it, name="a")
    await create(it, name="e")
    second = await page(first.next_page_token)
    third = await page(second.next_page_token)
    names = [[one.name for one in answer.strategies] for answer in (first, second, third)]
    assert names == [["b", "d"], ["e", "f"], ["a"]]
    assert third.next_page_token == ""
    async with served.refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as faults:
        await page("bogus")
    assert faults[0][0] == "pageToken"


async def test_lists_are_filtered(it: served.Served) -> None:
    await create(it, name="b")
    await create(it, name="b", strategy_namespace="zoo")
    await create(it, name="c", strategy_namespace="zoo")

    async def ids(**filters: str) -> list[tuple[str, str]]:
        answer = await it.strategies.ListStrategies(pb.ListStrategiesRequest(**filters), **it.as_user("admin"))
        return [(one.strategy_namespace, one.name) for one in answer.strategies]

    assert await ids(name="b") == [("default", "b"), ("zoo", "b")]
    assert await ids(strategy_namespace="zoo") == [("zoo", "b"), ("zoo", "c")]
    assert await ids(strategy_namespace="zoo", name="b") == [("zoo", "b")]


async def test_an_update_replaces_all_but_what_names_it(it: served.Served) -> None:
    made = await create(it, description="old", command_regex="web")
    changed = await it.strategies.UpdateStrategy(
        pb.UpdateStrategyRequest(
            strategy_id=made.id, label_selectors=[pb.LabelSelector(key="app")], priority=0, etag=made.etag
        ),
        **it.as_user("admin"),
    )
    assert (changed.id, changed.name, changed.create_time) == (made.id, "web", made.create_time)
    assert (changed.description, changed.command_regex, changed.priority) == ("", "", 0)
    assert changed.matched_pods == 3
    assert changed.etag != made.etag
    async with served.refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"):
        await it.strategies.UpdateStrategy(
            pb.UpdateStrategyRequest(strategy_id=made.id, all_pods=True, etag=made.etag), **it.as_user("admin")
        )


async def test_an_update_may_keep_a_time_that_is_over(it: served.Served) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(milliseconds=300)
    made = await create(it, expires_at=soon)
    while it.world.is_active(made.id):
        await it.world.wait_for(1 << 40, timeout=0.05)
    request = pb.UpdateStrategyRequest(strategy_id=made.id, all_pods=True, expires_at=made.expires_at)
    changed = await it.strategies.UpdateStrategy(request, **it.as_user("admin"))
    assert changed.state == pb.ScheduleStrategy.EXPIRED


async def test_a_deleted_strategy_is_gone_with_its_intents(it: served.Served) -> None:
    made = await create(it)
    async with served.refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"):
        await it.strategies.DeleteStrategy(
            pb.DeleteStrategyRequest(strategy_id=made.id, etag="other"), **it.as_user("admin")
        )
    await it.strategies.DeleteStrategy(pb.DeleteStrategyRequest(strategy_id=made.id), **it.as_user("admin"))
    assert not it.world.intents_of("a")
    async with served.refused(grpc.StatusCode.NOT_FOUND, "STRATEGY_NOT_FOUND"):
        await it.strategies.DeleteStrategy(pb.DeleteStrategyRequest(strategy_id=made.id), **it.as_user("admin"))


async def test_every_change_is_in_the_audit_log_as_the_api_shows_it(it: served.Served) -> None:
    made = await create(it)
    await it.strategies.DeleteStrategy(pb.DeleteStrategyRequest(strategy_id=made.id), **it.as_user("admin"))
    deleted, created = await it.store.list_audit(stores.AuditFilter(action="strategy"), limit=9)
    assert (created.action, created.actor, created.target) == ("strategy.create", "admin", f"strategy/{made.id}")
    assert (created.before, created.after["name"], created.after["priority"]) == (None, "web", 3)
    assert (deleted.action, deleted.before["name"], deleted.after) == ("strategy.delete", "web", None)
    assert created.request_id


class TestRoles:
    """What a caller may see and change."""

    async def test_a_namespace_that_the_roles_do_not_allow_is_refused(self, it: served.Served) -> None:
        await it.add_user("dev", *served.everything(k8s_namespace="dev"))
        async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "K8S_NAMESPACE_NOT_ALLOWED"):
            await create(it, "dev", k8s_namespace=["dev", "prod"])

    async def test_no_namespace_means_those_that_the_roles_allow_now(self, it: served.Served) -> None:
        await it.add_user("dev", *served.everything(k8s_namespace="dev"))
        made = await create(it, "dev")
        assert made.matched_pods == 1
        assert "it is limited to the namespaces that its creator may use: dev" in made.warnings
        await it.set_policies("dev", *served.everything(k8s_namespace="prod"))
        read = await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=made.id), **it.as_user("admin"))
        assert (read.matched_pods, read.state) == (1, pb.ScheduleStrategy.ACTIVE)
        assert [one.pod_name for one in it.world.intents_of("a").values()] == ["web-1"]

    async def test_a_permission_lost_later_suspends(self, it: served.Served) -> None:
        await it.add_user("dev", *served.everything(k8s_namespace="dev"))
        made = await create(it, "dev", k8s_namespace=["dev"])
        await it.set_policies("dev", *served.everything(k8s_namespace="prod"))
        read = await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=made.id), **it.as_user("admin"))
        assert (read.state, read.state_reason) == (pb.ScheduleStrategy.SUSPENDED, "CREATOR_NOT_ALLOWED")

    async def test_a_folder_that_the_roles_do_not_allow_is_neither_seen_nor_written(self, it: served.Served) -> None:
        await it.add_user("dev", *served.everything(policy_namespace="dev"))
        hidden = await create(it)
        seen = await create(it, "dev", strategy_namespace="dev")
        async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "STRATEGY_NAMESPACE_NOT_ALLOWED"):
            await create(it, "dev", name="other")
        async with served.refused(grpc.StatusCode.NOT_FOUND, "STRATEGY_NOT_FOUND"):
            await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=hidden.id), **it.as_user("dev"))
        async with served.refused(grpc.StatusCode.NOT_FOUND, "STRATEGY_NOT_FOUND"):
            await it.strategies.DeleteStrategy(pb.DeleteStrategyRequest(strategy_id=hidden.id), **it.as_user("dev"))
        async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "STRATEGY_NOT_ALLOWED"):
            await it.strategies.UpdateStrategy(
                pb.UpdateStrategyRequest(strategy_id=seen.id, strategy_namespace="default", all_pods=True),
                **it.as_user("dev"),
            )
        answer = await it.strategies.ListStrategies(pb.ListStrategiesRequest(), **it.as_user("dev"))
        assert [one.id for one in answer.strategies] == [seen.id]

    async def test_who_is_limited_to_a_namespace_cannot_change_what_acts_in_others(self, it: served.Served) -> None:
        await it.add_user("dev", *served.everything(k8s_namespace="dev"))
        for fields in ({"k8s_namespace": ["dev", "prod"]}, {"name": "everywhere"}):
            made = await create(it, **fields)
            read = await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=made.id), **it.as_user("dev"))
            assert read.id == made.id
            async with served.refused(grpc.StatusCode.PERMISSION_DENIED, "STRATEGY_NOT_ALLOWED"):
                await it.strategies.DeleteStrategy(pb.DeleteStrategyRequest(strategy_id=made.id), **it.as_user("dev"))

    async def test_self_only_covers_what_the_caller_created(self, it: served.Served) -> None:
        await it.add_user("own", *served.everything(self_only=True))
        hers, theirs = await create(it, "own"), await create(it, name="theirs")
        async with served.refused(grpc.StatusCode.NOT_FOUND, "STRATEGY_NOT_FOUND"):
            await it.strategies.GetStrategy(pb.GetStrategyRequest(strategy_id=theirs.id), **it.as_user("own"))
        answer = await it.strategies.ListStrategies(pb.ListStrategiesRequest(), **it.as_user("own"))
        assert [one.id for one in answer.strategies] == [hers.id]
        own = await it.strategies.ListOwnStrategies(pb.ListOwnStrategiesRequest(), **it.as_user("admin"))
        assert [one.id for one in own.strategies] == [theirs.id]


class TestPreview:
    """What a strategy would do."""

    async def preview(self, it: served.Served, **fields: object) -> pb.PreviewStrategyResponse:
        return await it.strategies.PreviewStrategy(
            pb.PreviewStrategyRequest(strategy=strategy(**({"name": "new"} | fields))), **it.as_user("admin")
        )

    async def test_stores_nothing_and_shows_pods_by_node(self, it: served.Served) -> None:
        answer = await self.preview(it)
        assert [(node.node_id, [one.pod_name for one in node.pods]) for node in answer.nodes] == [
            ("", ["web-2"]),
            ("a", ["web-1"]),
        ]
        assert answer.matched_pods == 2
        assert not await it.store.list_strategies()

    async def test_tells_who_would_win(self, it: served.Served) -> None:
        strong = await create(it, name="strong", priority=1, k8s_namespace=["prod"])
        weak = await create(it, name="weak", priority=5, k8s_namespace=["dev"])
        answer = await self.preview(it, priority=3)
        waiting, web = answer.nodes[0].pods[0], answer.nodes[1].pods[0]
        assert (list(waiting.supersedes), waiting.superseded_by) == ([weak.id], "")
        assert (list(web.supersedes), web.superseded_by) == ([], strong.id)
        assert "pod prod/web-1: superseded by stronger strategies" in answer.warnings

    async def test_of_equals_the_older_wins(self, it: served.Served) -> None:
        older = await create(it, k8s_namespace=["prod"])
        answer = await self.preview(it)
        assert answer.nodes[1].pods[0].superseded_by == older.id

    async def test_does_not_guess_about_other_expressions(self, it: served.Served) -> None:
        other = await create(it, name="other", command_regex="nginx", priority=1)
        answer = await self.preview(it, command_regex="web")
        assert not any(one.superseded_by or one.supersedes for node in answer.nodes for one in node.pods)
        assert any(other.id in warning and "another commandRegex" in warning for warning in answer.warnings)

    async def test_of_a_name_that_is_there_is_of_its_replacement(self, it: served.Served) -> None:
        await create(it, name="new", priority=1)
        answer = await self.preview(it, priority=9)
        assert not any(one.superseded_by for node in answer.nodes for one in node.pods)

    async def test_what_is_suspended_supersedes_nothing(self, it: served.Served) -> None:
        await create(it, name="strong", priority=1, suspended=True)
        answer = await self.preview(it)
        assert not any(one.superseded_by for node in answer.nodes for one in node.pods)

    @pytest.mark.parametrize(
        ("fields", "warning"),
        [
            ({"k8s_namespace": ["kube-system"]}, "namespace kube-system is denied to all strategies"),
            ({"label_selectors": [], "all_pods": True}, "pod dev/batch-1: BestEffort"),
            ({"priority": 10}, "priority 10 is neutral: with no executionTime, nothing changes"),
            ({"command_regex": "a*"}, 'commandRegex "a*" is found in every command'),
            ({"suspended": True}, "it is suspended"),
            (
                {"label_selectors": [pb.LabelSelector(key="app", value="x"), pb.LabelSelector(key="app", value="y")]},
                "label app cannot be x and y at once",
            ),
        ],
    )
    async def test_warns(self, it: served.Served, fields: dict[str, object], warning: str) -> None:
        answer = await self.preview(it, **fields)
        assert any(one.startswith(warning) for one in answer.warnings), answer.warnings
