"""Puts a manager together from its parts: the only place where all of them meet."""

import datetime
import functools
import socket
import sys
import uuid
from collections.abc import Sequence

import grpc

from gthulhu.common import clock as clocks
from gthulhu.common import errors, release
from gthulhu.common.grpc import access as rules
from gthulhu.common.grpc import context as contexts
from gthulhu.common.grpc import errors as grpc_errors
from gthulhu.common.grpc import validation
from gthulhu.common.identity import pki, tls, tokens
from gthulhu.manager import config as configs
from gthulhu.manager import lifecycle
from gthulhu.manager import metrics as expositions
from gthulhu.manager.distribution import admission, leftovers, links, progress, samples, sessions, world
from gthulhu.manager.inventory import base as inventories
from gthulhu.manager.inventory import file
from gthulhu.manager.services import (
    accounts,
    agents,
    attempts,
    audit,
    auth,
    authorization,
    bootstrap,
    callers,
    cluster,
    enrollment,
    intents,
    metrics,
    passwords,
    peers,
    roles,
    session,
    strategies,
    system,
    users,
)
from gthulhu.manager.store import base as stores
from gthulhu.manager.store import sqlite
from gthulhu.v1 import (
    audit_pb2_grpc,
    auth_pb2_grpc,
    cluster_pb2_grpc,
    enrollment_pb2_grpc,
    intent_pb2_grpc,
    metric_pb2_grpc,
    role_pb2_grpc,
    session_pb2_grpc,
    strategy_pb2_grpc,
    system_pb2_grpc,
    user_pb2_grpc,
)

Manager = lifecycle.Manager

_ENROLLED_PER_SECOND = 50
"""Agents that may show a token to enrol with: a question to Kubernetes, or a write to the store, each."""
_ENROLLED_AT_ONCE = 200


def build_manager(
    config: configs.ManagerConfig,
    *,
    store: stores.Store | None = None,
    inventory: inventories.Inventory | None = None,
    clock: clocks.Clock | None = None,
) -> Manager:
    """Return a manager that is not started.

    Args:
        config: Says which store and inventory it uses, and everything else.
        store: In place of the configured one.
        inventory: In place of the configured one.
        clock: In place of the machine's.

    Raises:
        PreconditionError: The configuration names no inventory, or keys that cannot be used.
    """
    clock = clock or clocks.SystemClock()
    store = store or _store(config, clock)
    inventory = inventory or _inventory(config, clock)
    ring = _key_ring(config)
    kept = samples.Samples(store=store, clock=clock)
    tries = attempts.Attempts(allowed=config.passwords.failures, clock=clock)
    view = world.World(clock=clock, denied_namespaces=config.inventory.denied_namespaces)
    replica = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    registry = sessions.Sessions(
        view=view,
        store=store,
        clock=clock,
        replica=replica,
        settings=sessions.Settings(
            quiet=config.distribution.debounce_quiet_ms / 1000,
            longest=config.distribution.debounce_max_ms / 1000,
            lease=config.distribution.lease_seconds,
            age=config.distribution.session_minutes * 60,
            check_every=config.distribution.digest_seconds,
        ),
    )
    known_agents = peers.Agents(
        ring=ring,
        trust_domain=config.identity.trust_domain,
        clock=clock,
        refused_nodes=frozenset(config.identity.refused_nodes),
    )
    hasher = passwords.Passwords(
        passwords.Argon2id(time_cost=config.passwords.time_cost, memory_kib=config.passwords.memory_kib),
        workers=config.passwords.workers,
    )
    return Manager(
        lifecycle.Parts(
            config=config,
            clock=clock,
            replica=replica,
            store=store,
            inventory=inventory,
            world=view,
            sessions=registry,
            exposition=expositions.Exposition(
                version=release.version(), replica=replica, view=view, held=registry, store=store, tries=tries
            ),
            services=(
                *_agent_services(
                    config, view=view, store=store, registry=registry, kept=kept, known=known_agents, clock=clock
                ),
                *_user_services(config, view=view, store=store, ring=ring, hasher=hasher, tries=tries, clock=clock),
            ),
            background=(kept.run, leftovers.Leftovers(view=view, store=store, clock=clock).run),
            enrollment=_enrollment(config, store=store, ring=ring, clock=clock),
            interceptors=(
                contexts.ContextInterceptor(trust_domain=config.identity.trust_domain),
                grpc_errors.ErrorInterceptor(),
                authorization.AuthorizationInterceptor(
                    declared=rules.rules(),
                    known=callers.Callers(keys=ring, world=view, store=store, clock=clock),
                    agents=known_agents,
                ),
                validation.ValidationInterceptor(),
            ),
            prepare=functools.partial(_ensure_admin, config, store=store, hasher=hasher, clock=clock),
            close=hasher.close,
        )
    )


def _agent_services(
    config: configs.ManagerConfig,
    *,
    view: world.World,
    store: stores.Store,
    registry: sessions.Sessions,
    kept: samples.Samples,
    known: peers.Agents,
    clock: clocks.Clock,
) -> Sequence[lifecycle.Service]:
    """Return what agents stream to, and what shows what they streamed."""
    linked = links.Links(store=store, clock=clock)
    return (
        (
            "gthulhu.v1.SessionService",
            session_pb2_grpc.add_SessionServiceServicer_to_server,
            session.SessionService(
                registry=registry,
                agents=known,
                gate=admission.Admission(
                    per_second=config.distribution.sessions_per_second,
                    burst=config.distribution.sessions_at_once,
                    clock=clock,
                ),
                clock=clock,
            ),
        ),
        (
            "gthulhu.v1.MetricService",
            metric_pb2_grpc.add_MetricServiceServicer_to_server,
            metrics.MetricService(
                kept=kept,
                agents=known,
                clock=clock,
                interval=datetime.timedelta(seconds=config.distribution.metric_seconds),
            ),
        ),
        (
            "gthulhu.v1.ClusterService",
            cluster_pb2_grpc.add_ClusterServiceServicer_to_server,
            cluster.ClusterService(
                world=view,
                store=store,
                links=linked,
                caller=agents.AgentCaller(nodes=linked, credentials=functools.partial(_credentials, config)),
                kept=kept,
                clock=clock,
            ),
        ),
        (
            "gthulhu.v1.IntentService",
            intent_pb2_grpc.add_IntentServiceServicer_to_server,
            intents.IntentService(
                world=view, links=linked, progress=progress.Progress(world=view, links=linked, clock=clock)
            ),
        ),
    )


def _user_services(
    config: configs.ManagerConfig,
    *,
    view: world.World,
    store: stores.Store,
    ring: tokens.KeyRing,
    hasher: passwords.Passwords,
    tries: attempts.Attempts,
    clock: clocks.Clock,
) -> Sequence[lifecycle.Service]:
    """Return what users change, and look at."""
    people = accounts.Accounts(store=store, world=view, clock=clock)
    return (
        (
            "gthulhu.v1.AuthService",
            auth_pb2_grpc.add_AuthServiceServicer_to_server,
            auth.AuthService(
                people=people,
                keys=ring,
                hasher=hasher,
                tries=tries,
                lifetimes=auth.Lifetimes(
                    access=datetime.timedelta(minutes=config.identity.access_token_minutes),
                    refresh=datetime.timedelta(hours=config.identity.refresh_token_hours),
                ),
            ),
        ),
        (
            "gthulhu.v1.UserService",
            user_pb2_grpc.add_UserServiceServicer_to_server,
            users.UserService(people=people, hasher=hasher, tries=tries),
        ),
        (
            "gthulhu.v1.RoleService",
            role_pb2_grpc.add_RoleServiceServicer_to_server,
            roles.RoleService(people=people),
        ),
        (
            "gthulhu.v1.StrategyService",
            strategy_pb2_grpc.add_StrategyServiceServicer_to_server,
            strategies.StrategyService(world=view, store=store, clock=clock),
        ),
        (
            "gthulhu.v1.AuditService",
            audit_pb2_grpc.add_AuditServiceServicer_to_server,
            audit.AuditService(store=store),
        ),
        (
            "gthulhu.v1.SystemService",
            system_pb2_grpc.add_SystemServiceServicer_to_server,
            system.SystemService(world=view, store=store, clock=clock, git_revision=release.git_revision()),
        ),
    )


def _enrollment(
    config: configs.ManagerConfig, *, store: stores.Store, ring: tokens.KeyRing, clock: clocks.Clock
) -> lifecycle.Service | None:
    """Return what signs agents' certificates, where this manager has the key to do so."""
    if config.identity.ca_key is None:
        return None
    read = functools.partial(
        pki.Authority.load,
        config.path(config.identity.folder),
        key=config.path(config.identity.ca_key),
        clock=clock,
    )
    found = read().trust_domain
    if found != config.identity.trust_domain:
        raise errors.PreconditionError(
            "CA_UNUSABLE", f"identity.trust_domain is {config.identity.trust_domain!r}, the authority's is {found!r}"
        )
    return (
        "gthulhu.v1.EnrollmentService",
        enrollment_pb2_grpc.add_EnrollmentServiceServicer_to_server,
        enrollment.EnrollmentService(
            issuer=enrollment.Issuer(
                authority=read,
                keys=ring,
                hours=config.identity.certificate_hours,
                refused_nodes=frozenset(config.identity.refused_nodes),
            ),
            review=_token_review(config),
            gate=admission.Admission(per_second=_ENROLLED_PER_SECOND, burst=_ENROLLED_AT_ONCE, clock=clock),
            store=store,
            clock=clock,
        ),
    )


def _token_review(config: configs.ManagerConfig) -> enrollment.Review | None:
    """Return what asks Kubernetes about tokens, where there is a cluster."""
    path = config.k8s.kube_config_path
    if not config.k8s.in_cluster and path is None:
        return None
    from gthulhu.manager.inventory import api  # noqa: PLC0415 - as the inventory
    from gthulhu.manager.services import token_review  # noqa: PLC0415 - likewise

    return token_review.TokenReview(
        connect=api.from_file(path) if path else api.in_cluster(), service_account=config.identity.service_account
    )


async def _ensure_admin(
    config: configs.ManagerConfig, *, store: stores.Store, hasher: passwords.Passwords, clock: clocks.Clock
) -> None:
    """Make the first administrator where there is none; a password that was made up is shown, once."""
    password = await bootstrap.ensure_admin(store=store, account=config.account, hasher=hasher, clock=clock)
    if password is not None:
        name = config.account.admin_email.partition("@")[0]
        sys.stdout.write(f"first administrator: {name}, password (shown only now): {password}\n")
        sys.stdout.flush()


def _store(config: configs.ManagerConfig, clock: clocks.Clock) -> stores.Store:
    """Return the configured store: MongoDB where one is named, else the embedded one."""
    uri, given = config.store.uri.get_secret_value(), config.mongodb
    if not uri and not given.host:
        return sqlite.SqliteStore(config.path(config.store.path), clock=clock)
    from gthulhu.manager.store import mongodb  # noqa: PLC0415 - its driver is for those who use it

    if not uri:
        password = given.password.get_secret_value()
        uri = mongodb.uri(host=given.host, port=given.port, user=given.user, password=password)
    return mongodb.MongoStore(uri, database=given.database, clock=clock)


def _inventory(config: configs.ManagerConfig, clock: clocks.Clock) -> inventories.Inventory:
    """Return the configured inventory: a cluster where one is named, else a file."""
    if config.k8s.in_cluster or config.k8s.kube_config_path:
        from gthulhu.manager.inventory import api, kubernetes  # noqa: PLC0415 - 0.35 s that only clusters need

        path = config.k8s.kube_config_path
        return kubernetes.KubernetesInventory(
            server=api.Api(api.from_file(path) if path else api.in_cluster()),
            source=f"kubernetes:{path or 'in-cluster'}",
            clock=clock,
        )
    if config.inventory.file is None:
        raise errors.PreconditionError(
            "INVENTORY_MISSING",
            "where are the pods? Set k8s.in_cluster, k8s.kube_config_path or inventory.file",
        )
    return file.FileInventory(path=config.path(config.inventory.file), clock=clock)


def _key_ring(config: configs.ManagerConfig) -> tokens.KeyRing:
    """Return the keys that sign and check tokens."""
    pem = config.key.rsa_private_key_pem.get_secret_value()
    if pem:
        return tokens.KeyRing.from_pem(pem.encode(), source="key.rsa_private_key_pem")
    return tokens.KeyRing.load_or_create(config.path(config.identity.folder) / "jwt")


def _credentials(config: configs.ManagerConfig) -> grpc.ChannelCredentials:
    """Return what the manager shows to agents: read anew, because the files may have been replaced."""
    folder = config.path(config.identity.folder)
    return tls.channel_credentials(folder / "manager.crt", folder / "manager.key", folder / "ca.crt")
