"""The audit log over the API."""

import datetime

import pytest
from google.protobuf import json_format

from gthulhu.manager.store import base
from gthulhu.v1 import audit_pb2, role_pb2
from tests.unit.manager.services.harness import PASSWORD, Api, raises


async def listed(api: Api, **fields: object) -> audit_pb2.ListAuditLogsResponse:
    request = audit_pb2.ListAuditLogsRequest(**fields)
    return await api.audit.ListAuditLogs(request, metadata=await api.as_user())


async def test_what_was_done_is_shown_newest_first_with_before_and_after(api: Api) -> None:
    metadata = (*await api.as_user(), ("x-request-id", "the-request"))
    await api.roles.CreateRole(role_pb2.CreateRoleRequest(name="team-a"), metadata=metadata)
    answer = await listed(api, action="role")
    newest = answer.audit_logs[0]
    assert (newest.action, newest.actor, newest.request_id) == ("role.create", "admin", "the-request")
    assert newest.address == "127.0.0.1"
    assert json_format.MessageToDict(newest.after)["name"] == "team-a"
    assert not newest.HasField("before")
    assert [entry.id for entry in answer.audit_logs] == sorted((one.id for one in answer.audit_logs), reverse=True)


async def test_pages_go_on_where_the_last_one_stopped(api: Api) -> None:
    for number in range(5):
        await api.store.add_audit(base.AuditEntry(time=api.clock.now(), action="test.page", target=str(number)))
    targets, token = [], ""
    for _ in range(3):
        page = await listed(api, action="test.page", page_size=2, page_token=token)
        targets += [entry.target for entry in page.audit_logs]
        token = page.next_page_token
    assert (targets, token) == (["4", "3", "2", "1", "0"], "")


async def test_entries_are_filtered_by_time(api: Api) -> None:
    request = audit_pb2.ListAuditLogsRequest()
    request.since.FromDatetime(api.clock.now() + datetime.timedelta(hours=1))
    assert not (await api.audit.ListAuditLogs(request, metadata=await api.as_user())).audit_logs


@pytest.mark.parametrize("token", ["x", "-1", "1" * 30, "٣"])
async def test_a_token_that_no_answer_held_is_refused(api: Api, token: str) -> None:
    await raises(listed(api, page_token=token), "INVALID_ARGUMENT")


async def test_only_those_who_may_see_it(api: Api) -> None:
    await api.add_user("otto", "operator")
    metadata = await api.as_user("otto", PASSWORD)
    await raises(api.audit.ListAuditLogs(audit_pb2.ListAuditLogsRequest(), metadata=metadata), "PERMISSION_DENIED")
