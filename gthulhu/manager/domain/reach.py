"""Which strategies a caller may see and change.

A policy that is limited to a Kubernetes namespace lets its holder see whatever may act there, and change only what acts
nowhere else: what acts in every namespace is for those without that limit, and for its creator.
"""

from gthulhu.manager.domain import access, strategy

READ = "schedule_strategy.read"
UPDATE = "schedule_strategy.update"
DELETE = "schedule_strategy.delete"

_EVERY = ""
"""Stands for every namespace: only policies without that limit cover it."""


def may_see(caller: access.Principal, value: strategy.Strategy) -> bool:
    """Tell whether a caller may know of a strategy."""
    policies = access.grants(caller, READ)
    return any(_allows(policies, caller, value, namespace) for namespace in value.k8s_namespaces or (None,))


def may_change(caller: access.Principal, permission: str, value: strategy.Strategy) -> bool:
    """Tell whether a permission of the caller covers a strategy with everything that it may act on."""
    everywhere = None if value.creator_id == caller.user_id else _EVERY
    policies = access.grants(caller, permission)
    return all(_allows(policies, caller, value, namespace) for namespace in value.k8s_namespaces or (everywhere,))


def may_see_intent(caller: access.Principal, value: strategy.Strategy, *, namespace: str) -> bool:
    """Tell whether a caller may know what a strategy does to the pods of a Kubernetes namespace."""
    return _allows(access.grants(caller, "schedule_intent.read"), caller, value, namespace)


def may_see_considered(caller: access.Principal, value: strategy.Strategy, *, namespace: str) -> bool:
    """Tell whether a caller may know that a strategy was considered for a pod of a Kubernetes namespace.

    What may not act there has no intent there: it is for those who may see the strategy itself.
    """
    acts_there = not value.k8s_namespaces or namespace in value.k8s_namespaces
    return may_see_intent(caller, value, namespace=namespace) and (acts_there or may_see(caller, value))


def _allows(
    policies: tuple[access.Policy, ...], caller: access.Principal, value: strategy.Strategy, namespace: str | None
) -> bool:
    return access.allows(
        policies,
        caller_id=caller.user_id,
        creator_id=value.creator_id,
        k8s_namespace=namespace,
        strategy_namespace=value.namespace,
    )
