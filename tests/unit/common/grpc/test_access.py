"""The schema says of every RPC who may call it."""

from gthulhu.common.grpc import access


def test_every_rpc_has_exactly_one_rule() -> None:
    rules = access.rules()
    methods = {
        f"/{service.full_name}/{method.name}"
        for file in access.files()
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert set(rules) == methods
    assert len(methods) >= 40
    for rule in rules.values():
        set_fields = [rule.public, rule.authenticated, bool(rule.permission), rule.peer is not None, bool(rule.scope)]
        assert set_fields.count(True) == 1


def test_rules_are_read_as_they_are_written() -> None:
    rules = access.rules()
    assert rules["/gthulhu.v1.AuthService/Login"] == access.Rule(public=True)
    assert rules["/gthulhu.v1.AuthService/Validate"] == access.Rule(authenticated=True)
    create = "/gthulhu.v1.StrategyService/CreateStrategy"
    assert rules[create] == access.Rule(permission="schedule_strategy.create")
    assert rules["/gthulhu.v1.SessionService/StreamIntents"] == access.Rule(peer=access.Peer.AGENT)
    assert rules["/gthulhu.v1.NodeService/ListDecisions"] == access.Rule(peer=access.Peer.MANAGER)
    replace = "/gthulhu.v1.DecisionMakerService/ReplaceIntents"
    assert rules[replace] == access.Rule(scope=access.Scope.MANAGER_CLIENT)
