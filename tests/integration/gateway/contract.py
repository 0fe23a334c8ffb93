"""What each route of docs/reference/rest.md takes, promises and refuses; test_contract.py holds them to it.

`{strategy}`, `{user}` and their like in requests stand for things that are made for the one test.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from tests.integration.gateway import installed

_STRATEGY = {"name": "new-{n}", "labelSelectors": [{"key": "app", "value": "web"}], "executionTime": 20_000_000}
_OF_STRATEGY = frozenset(
    {
        "id",
        "name",
        "description",
        "strategyNamespace",
        "labelSelectors",
        "allPods",
        "k8sNamespace",
        "commandRegex",
        "priority",
        "executionTime",
        "suspended",
        "creatorID",
        "creator",
        "createTime",
        "updateTime",
        "etag",
        "state",
        "matchedPods",
        "warnings",
    }
)
_OF_INTENT = frozenset(
    {
        "id",
        "strategyId",
        "podName",
        "podID",
        "nodeID",
        "k8sNamespace",
        "commandRegex",
        "priority",
        "executionTime",
        "podLabels",
        "state",
        "stateReason",
        "appliedProcesses",
        "appliedThreads",
    }
)
_OF_TOKENS = frozenset({"token", "accessToken", "refreshToken", "expiresAt", "needChangePassword"})
_OF_USER = frozenset({"id", "username", "email", "roles", "status", "needChangePassword", "createTime"})
_OF_ROLE = frozenset({"id", "name", "description", "rolePolicies", "createTime", "updateTime"})
_COUNTERS = [
    "usersched_last_run_at",
    "nr_queued",
    "nr_scheduled",
    "nr_running",
    "nr_online_cpus",
    "nr_user_dispatches",
    "nr_kernel_dispatches",
    "nr_cancel_dispatches",
    "nr_bounce_dispatches",
    "nr_failed_dispatches",
    "nr_sched_congested",
]
_NODE = installed.NODE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bad:
    """A request that is refused, and how."""

    path: str = ""
    """Empty: as in the good one."""
    query: str = ""
    body: object = None
    status: int = 400
    code: str
    fields: Sequence[str] = ()
    """Those that the answer names."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contract:
    """One route."""

    path: str = ""
    """The path with its variables filled; empty: as in the table."""
    query: str = ""
    body: object = None
    shows: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    """Where in the answer ("" is the top, "a" the first element of the list `a`) which keys are promised."""
    bad: Sequence[Bad] = ()
    by: str = ""
    """Who makes the good request: `own` (a new user), or `all` (who may do everything); empty: a user with just the
    permission."""


def _invalid(field: str, **request: object) -> Bad:
    return Bad(code="INVALID_ARGUMENT", fields=[field], **request)


MANAGER: Mapping[str, Contract] = {
    "GET /health": Contract(shows={"": frozenset({"status", "service", "timestamp", "checks"})}),
    "GET /version": Contract(shows={"": frozenset({"version", "gitRevision", "apiVersions"})}),
    "POST /api/v1/auth/login": Contract(
        body={"email": "admin@example.com", "password": installed.ADMIN_PASSWORD},
        shows={"": _OF_TOKENS},
        bad=[
            Bad(body={"username": "admin", "password": "wrong"}, status=401, code="LOGIN_FAILED"),
            _invalid("password", body={"username": "admin"}),
        ],
    ),
    "POST /api/v1/auth/refresh": Contract(
        body={"refreshToken": "{refresh}"},
        shows={"": _OF_TOKENS},
        bad=[
            Bad(body={"refreshToken": "unknown"}, status=401, code="REFRESH_TOKEN_INVALID"),
            _invalid("refreshToken", body={}),
        ],
    ),
    "POST /api/v1/auth/logout": Contract(
        body={"refreshToken": "{refresh}"}, bad=[_invalid("refreshToken", body={"refreshToken": ""})]
    ),
    "POST /api/v1/auth/logout-all": Contract(body={}, by="own"),
    "GET /api/v1/auth/validate": Contract(shows={"": frozenset({"userID", "username", "expiresAt"})}),
    "POST /api/v1/users": Contract(
        body={"username": "new-{n}", "email": "", "password": installed.PASSWORD, "roles": []},
        shows={"": _OF_USER},
        bad=[
            _invalid("username", body={"username": "a b", "password": installed.PASSWORD}),
            Bad(body={"username": "new-{n}", "password": "short"}, code="PASSWORD_TOO_WEAK", fields=["password"]),
            Bad(body={"username": "u-{n}", "password": installed.PASSWORD}, status=409, code="USER_EXISTS"),
        ],
    ),
    "GET /api/v1/users": Contract(
        query="pageSize=2",
        shows={"": frozenset({"users", "nextPageToken"}), "users": _OF_USER},
        bad=[_invalid("pageSize", query="pageSize=1001")],
    ),
    "PUT /api/v1/users/password": Contract(
        body={"userID": "{user}", "newPassword": "another-" + installed.PASSWORD},
        bad=[
            _invalid("userID", body={"newPassword": installed.PASSWORD}),
            Bad(body={"userID": "nobody", "newPassword": installed.PASSWORD}, status=404, code="USER_NOT_FOUND"),
        ],
    ),
    "PUT /api/v1/users/permissions": Contract(
        body={"userID": "{user}", "roles": [], "status": "DISABLED"},
        shows={"": _OF_USER},
        bad=[
            Bad(body={"userID": "nobody", "roles": []}, status=404, code="USER_NOT_FOUND"),
            Bad(body={"userID": "{user}", "status": "GONE"}, code="INVALID_JSON"),
        ],
    ),
    "PUT /api/v1/users/self/password": Contract(
        body={"oldPassword": installed.PASSWORD, "newPassword": "another-" + installed.PASSWORD},
        by="own",
        bad=[
            _invalid("newPassword", body={"oldPassword": installed.PASSWORD}),
            Bad(
                body={"oldPassword": "wrong", "newPassword": "another-" + installed.PASSWORD},
                code="PASSWORD_WRONG",
                status=400,
            ),
        ],
    ),
    "GET /api/v1/users/self": Contract(shows={"": frozenset({"id", "username", "roles", "status", "permissions"})}),
    "DELETE /api/v1/users": Contract(
        body={"userID": "{user}"},
        bad=[
            _invalid("strategies", body={"userID": "{user}", "strategies": "keep"}),
            Bad(query="userID=nobody", status=404, code="USER_NOT_FOUND"),
        ],
    ),
    "POST /api/v1/roles": Contract(
        body={"name": "new-{n}", "description": "d", "rolePolicies": [{"permissionKey": "role.create", "self": True}]},
        shows={"": _OF_ROLE, "rolePolicies": frozenset({"permissionKey", "self", "k8sNamespace", "policyNamespace"})},
        bad=[
            _invalid("name", body={"name": "Not A Name"}),
            Bad(body={"name": "r-{n}"}, status=409, code="ROLE_EXISTS"),
        ],
    ),
    "GET /api/v1/roles": Contract(shows={"": frozenset({"roles"}), "roles": _OF_ROLE}),
    "PUT /api/v1/roles": Contract(
        body={"id": "{role}", "name": "renamed-{n}", "rolePolicies": []},
        shows={"": _OF_ROLE},
        bad=[
            _invalid("id", body={"name": "x"}),
            Bad(body={"id": "nothing", "name": "x"}, status=404, code="ROLE_NOT_FOUND"),
        ],
    ),
    "DELETE /api/v1/roles": Contract(
        body={"id": "{role}"},
        bad=[_invalid("id", body={}), Bad(query="id=nothing&force=true", status=404, code="ROLE_NOT_FOUND")],
    ),
    "GET /api/v1/permissions": Contract(
        shows={
            "": frozenset({"permissions"}),
            "permissions": frozenset({"key", "resource", "action", "description"}),
        }
    ),
    "POST /api/v1/strategies": Contract(
        body=_STRATEGY,
        shows={"": _OF_STRATEGY, "labelSelectors": frozenset({"key", "value"})},
        bad=[
            _invalid("strategy.priority", body={**_STRATEGY, "priority": 21}),
            _invalid("strategy.executionTime", body={**_STRATEGY, "executionTime": 5}),
            Bad(body={**_STRATEGY, "priority": "high"}, code="INVALID_JSON"),
            Bad(body={**_STRATEGY, "name": "s-{n}"}, status=409, code="STRATEGY_EXISTS"),
        ],
    ),
    "GET /api/v1/strategies": Contract(
        query="pageSize=1&name=s-{n}",
        shows={"": frozenset({"strategies", "nextPageToken"}), "strategies": _OF_STRATEGY},
        bad=[_invalid("pageSize", query="pageSize=-1"), _invalid("pageToken", query="pageToken=forged")],
    ),
    "GET /api/v1/strategies/self": Contract(
        shows={"": frozenset({"strategies", "nextPageToken"})}, bad=[_invalid("pageSize", query="pageSize=1001")]
    ),
    "GET /api/v1/strategies/{strategy_id}": Contract(
        path="/api/v1/strategies/{strategy}",
        shows={"": _OF_STRATEGY},
        bad=[Bad(path="/api/v1/strategies/nothing", status=404, code="STRATEGY_NOT_FOUND")],
    ),
    "PUT /api/v1/strategies": Contract(
        body={"strategyId": "{strategy}", "etag": "{etag}", "allPods": True, "priority": 3},
        shows={"": _OF_STRATEGY},
        bad=[
            _invalid("strategyId", body={"allPods": True}),
            Bad(body={"strategyId": "nothing", "allPods": True}, status=404, code="STRATEGY_NOT_FOUND"),
            Bad(body={"strategyId": "{strategy}", "etag": "old", "allPods": True}, status=409, code="ETAG_MISMATCH"),
        ],
    ),
    "DELETE /api/v1/strategies": Contract(
        body={"strategyId": "{strategy}", "etag": "{etag}"},
        bad=[
            _invalid("strategyId", body={}),
            Bad(query="strategyId=nothing", status=404, code="STRATEGY_NOT_FOUND"),
            Bad(body={"strategyId": "{strategy}", "etag": "old"}, status=409, code="ETAG_MISMATCH"),
        ],
    ),
    "POST /api/v1/strategies/preview": Contract(
        body=_STRATEGY,
        by="all",  # it shows the pods that the caller could select: that takes schedule_strategy.create too
        shows={
            "": frozenset({"nodes", "matchedPods", "warnings"}),
            "nodes": frozenset({"nodeID", "pods"}),
            "nodes.pods": frozenset({"podID", "podName", "k8sNamespace", "supersedes", "supersededBy"}),
        },
        bad=[_invalid("strategy.commandRegex", body={**_STRATEGY, "commandRegex": "("})],
    ),
    "GET /api/v1/intents": Contract(
        query="strategy={strategy}&node=" + _NODE,
        shows={"": frozenset({"intents", "nextPageToken", "stateCounts"}), "intents": _OF_INTENT},
        bad=[_invalid("pageSize", query="pageSize=1001"), Bad(query="state=GONE", code="INVALID_JSON")],
    ),
    "GET /api/v1/intents/self": Contract(
        shows={"": frozenset({"intents", "nextPageToken", "stateCounts"})},
        bad=[_invalid("pageSize", query="pageSize=-1")],
    ),
    "GET /api/v1/intents/watch": Contract(
        query="strategy={strategy}",
        shows={"": frozenset({"cursor", "updated"})},
        bad=[_invalid("since", query="since=" + 65 * "x")],
    ),
    "GET /api/v1/pods/{namespace}/{name}/explain": Contract(
        path="/api/v1/pods/default/web-1/explain",
        shows={
            "": frozenset({"podID", "podName", "k8sNamespace", "nodeID", "podLabels", "strategies", "decisions"}),
            "strategies": frozenset({"strategyId", "name", "matched", "reason"}),
        },
        bad=[Bad(path="/api/v1/pods/default/nothing/explain", status=404, code="POD_NOT_FOUND")],
    ),
    "GET /api/v1/nodes": Contract(
        shows={
            "": frozenset({"nodes"}),
            "nodes": frozenset(
                {"name", "state", "revision", "agentVersion", "enforcer", "levers", "pods", "intents", "connectTime"}
            ),
        }
    ),
    "GET /api/v1/nodes/{node}/pods/pids": Contract(
        path=f"/api/v1/nodes/{_NODE}/pods/pids",
        shows={
            "": frozenset({"pods"}),
            "pods": frozenset({"podID", "podName", "k8sNamespace", "processes"}),
            "pods.processes": frozenset({"pid", "ppid", "comm", "command", "containerID", "threads"}),
        },
        bad=[Bad(path="/api/v1/nodes/nothing/pods/pids", status=404, code="NODE_NOT_FOUND")],
    ),
    "GET /api/v1/nodes/{node}/metrics": Contract(
        path=f"/api/v1/nodes/{_NODE}/metrics",
        shows={
            "": frozenset({"node", "metricSet", "source", "pods", "time", "age"}),
            "metricSet": frozenset(_COUNTERS),
        },
        bad=[Bad(path="/api/v1/nodes/nothing/metrics", status=404, code="NODE_NOT_FOUND")],
    ),
    "GET /api/v1/metrics": Contract(
        shows={"": frozenset({"nodes"}), "nodes": frozenset({"node", "metricSet", "source", "time", "age"})}
    ),
    "POST /api/v1/pause": Contract(body={}, shows={"": frozenset({"paused"})}),
    "POST /api/v1/resume": Contract(body={}, shows={"": frozenset({"paused"})}),
    "GET /api/v1/audit-logs": Contract(
        query="action=role.create&pageSize=1",
        shows={
            "": frozenset({"auditLogs", "nextPageToken"}),
            "auditLogs": frozenset({"id", "time", "actorID", "actor", "address", "action", "target", "requestID"}),
        },
        bad=[_invalid("pageSize", query="pageSize=1001"), Bad(query="since=yesterday", code="INVALID_JSON")],
    ),
}

_POSTED = {"podName": "web-1", "podID": "uid-web-1", "nodeID": _NODE, "k8sNamespace": "default", "commandRegex": ""}

AGENT: Mapping[str, Contract] = {
    "GET /health": MANAGER["GET /health"],
    "GET /version": MANAGER["GET /version"],
    "GET /metrics": Contract(),
    "POST /api/v1/auth/token": Contract(
        body={"public_key": "{pem}", "client_id": "x", "expired_at": 1},
        shows={"": frozenset({"success", "data", "timestamp"}), "data": frozenset({"token", "expired_at"})},
        bad=[
            Bad(body={"public_key": "none"}, status=401, code="PUBLIC_KEY_UNKNOWN"),
            _invalid("public_key", body={"public_key": 16385 * "x"}),
        ],
    ),
    "GET /api/v1/scheduling/strategies": Contract(
        shows={"": frozenset({"success", "message", "timestamp", "scheduling"})}
    ),
    "POST /api/v1/intents": Contract(
        body={"intents": [{**_POSTED, "priority": 3, "executionTime": 20_000_000, "podLabels": {"app": "web"}}]},
        shows={"": frozenset({"intents"})},
        bad=[_invalid("intents[0].priority", body={"intents": [{**_POSTED, "priority": 21}]})],
    ),
    "GET /api/v1/pods/pids": Contract(
        shows={
            "": frozenset({"pods"}),
            "pods": frozenset({"podID", "podName", "k8sNamespace", "processes"}),
        }
    ),
    "POST /api/v1/metrics": Contract(
        body=dict.fromkeys(_COUNTERS, 2**64 - 1), bad=[Bad(body={"nr_queued": -1}, code="INVALID_JSON")]
    ),
}
