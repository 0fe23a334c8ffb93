"""The manager's settings; `config/manager_config.toml` shows them with their defaults.

The documented sections and keys of the older project (`[server] host`, `[logging] level`, `[mongodb] …`, `[k8s] …`,
`[key] …`, `[account] …`) keep their names and meanings.
"""

import pathlib
from typing import Annotated, Literal

import annotated_types
import pydantic

from gthulhu.common import config

Port = Annotated[int, annotated_types.Interval(ge=0, le=65535)]


class Server(config.Section):
    """`[server]`: where the manager and its gateway listen."""

    host: str = ":8081"
    """The gateway's listener, host:port; an empty host means every address. `gthulhu gateway` reads it."""
    grpc_address: str = "0.0.0.0:9443"
    """gRPC for agents and gateways, mTLS."""
    enrollment_address: str = "0.0.0.0:9445"
    """gRPC for agents that have no certificate yet, TLS; empty, or without `[identity] ca_key`: none."""
    health_address: str = ""
    """gRPC's health service alone, without TLS, for the kubelet's probes; empty: none. The service `live` is well for
    as long as the manager runs, the one without a name while it is able to serve."""
    metrics_address: str = "127.0.0.1:9091"
    """Prometheus metrics, plain HTTP; empty: none."""
    reflection: bool = False
    """Whether grpcurl and the like may list the services; for development."""


class Logging(config.Section):
    """`[logging]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious records that are written."""
    format: Literal["json", "text"] = "json"
    """`json` is one object a line, for machines; `text` is for people at a terminal."""


class MongoDB(config.Section):
    """`[mongodb]`: used where `host` is set; else the embedded store."""

    host: str = ""
    """Name or address of a member of the replica set; empty: the embedded store, unless `[store] uri` is set."""
    port: Port = 27017
    """Where that member listens."""
    user: str = ""
    """Empty: no authentication."""
    password: pydantic.SecretStr = pydantic.SecretStr("")
    """That user's."""
    password_file: pathlib.Path | None = None
    """A file that holds it instead."""
    database: str = "gthulhu"
    """Everything is kept in this one."""


class Store(config.Section):
    """`[store]`."""

    uri: pydantic.SecretStr = pydantic.SecretStr("")
    """A MongoDB connection string, in place of `[mongodb]`."""
    uri_file: pathlib.Path | None = None
    """A file that holds it instead."""
    path: pathlib.Path = pathlib.Path("store.sqlite3")
    """The embedded store's file, below the state folder unless absolute."""


class Kubernetes(config.Section):
    """`[k8s]`: used where one of both is set; else `[inventory] file`."""

    kube_config_path: pathlib.Path | None = None
    """A kubeconfig file, whose current context is used."""
    in_cluster: bool = False
    """Whether to use the service account of the pod that the manager runs in."""


class Inventory(config.Section):
    """`[inventory]`: what stands in for a cluster."""

    file: pathlib.Path | None = None
    """YAML of nodes and pods, reread when it changes."""
    denied_namespaces: tuple[str, ...] = ("kube-system", "gthulhu-system")
    """Kubernetes namespaces whose pods are never selected."""


class Identity(config.Section):
    """`[identity]`: keys and certificates, all made by `gthulhu pki`, and who gets one."""

    trust_domain: str = "gthulhu.local"
    """Of the SPIFFE ids in certificates; certificates of another one name nobody."""
    folder: pathlib.Path = pathlib.Path("pki")
    """Holds ca.crt, manager.crt, manager.key and jwt/; below the state folder unless absolute."""
    access_token_minutes: Annotated[int, annotated_types.Interval(ge=1, le=1440)] = 15
    """Short, because an access token is checked against the user's generation only."""
    refresh_token_hours: Annotated[int, annotated_types.Interval(ge=1, le=24 * 90)] = 24 * 7
    """How long somebody who has been away stays logged in."""
    certificate_hours: Annotated[int, annotated_types.Interval(ge=1, le=24 * 90)] = 24
    """Of the certificates and tokens of agents that enrol; renewed at half life."""
    ca_key: pathlib.Path | None = None
    """The authority's key, below the state folder unless absolute: signs the certificates of agents that enrol. Not
    set: nobody enrols here, and agents get theirs from `gthulhu pki agent`."""
    service_account: str = "gthulhu-system/gthulhu-agent"
    """namespace/name of the Kubernetes service account whose tokens prove that an agent is one."""
    refused_nodes: tuple[str, ...] = ()
    """Nodes whose agents get neither a certificate nor a session, whatever they show: for a key that was stolen."""


class Key(config.Section):
    """`[key]`: the older project's keys."""

    rsa_private_key_pem: pydantic.SecretStr = pydantic.SecretStr("")
    """Signs users' tokens in place of the key in the identity folder."""
    rsa_private_key_pem_file: pathlib.Path | None = None
    """A file that holds it instead."""
    dm_public_key_pem: str = ""
    """Accepted for compatibility: agents authenticate by mTLS."""
    client_id: str = ""
    """Accepted for compatibility, as above."""


class Account(config.Section):
    """`[account]`: the first administrator, made when there is no user yet."""

    admin_email: str = "admin@example.com"
    """The part before the @ is the user name too."""
    admin_password: pydantic.SecretStr = pydantic.SecretStr("")
    """Empty: one is made up, and printed once."""
    admin_password_file: pathlib.Path | None = None
    """A file that holds it instead."""


class Passwords(config.Section):
    """`[passwords]`: argon2id's cost (RFC 9106), and the limits of guessing."""

    time_cost: Annotated[int, annotated_types.Interval(ge=1, le=16)] = 2
    """Passes over the memory."""
    memory_kib: Annotated[int, annotated_types.Interval(ge=8, le=1 << 20)] = 19 * 1024
    """19 MiB with two passes is OWASP's first recommendation; about 35 ms."""
    workers: Annotated[int, annotated_types.Interval(ge=1, le=64)] = 2
    """How many are hashed at once; bounds memory and CPU under a flood of log-ins."""
    failures: Annotated[int, annotated_types.Interval(ge=1, le=1000)] = 5
    """So many failures in a row lock the account for the address, longer each time, 15 minutes at most."""


class Distribution(config.Section):
    """`[distribution]`: how changes reach agents."""

    debounce_quiet_ms: Annotated[int, annotated_types.Interval(ge=0, le=10_000)] = 50
    """A change is sent after so long without another."""
    debounce_max_ms: Annotated[int, annotated_types.Interval(ge=0, le=60_000)] = 500
    """But after so long at the latest."""
    lease_seconds: Annotated[int, annotated_types.Interval(ge=3, le=600)] = 10
    """A session whose replica has not renewed it for so long counts as gone."""
    sessions_per_second: Annotated[int, annotated_types.Interval(ge=1, le=100_000)] = 200
    """How many may begin: each costs some milliseconds of CPU; agents that are refused come back later."""
    sessions_at_once: Annotated[int, annotated_types.Interval(ge=1, le=100_000)] = 400
    """So many may begin together, where there was quiet before."""
    session_minutes: Annotated[int, annotated_types.Interval(ge=1, le=24 * 60)] = 60
    """An agent is asked to reconnect after so long, or up to a fifth earlier: new replicas get their share."""
    digest_seconds: Annotated[int, annotated_types.Interval(ge=1, le=3600)] = 60
    """How often an agent without changes is told what it should hold, so that it can compare."""
    metric_seconds: Annotated[float, annotated_types.Interval(ge=0.1, le=3600)] = 5.0
    """How often agents are asked for a sample: what a person who watches expects."""


class Gateway(config.Section):
    """`[gateway]`: what `gthulhu gateway manager` offers clients; the manager itself does not read it."""

    tls_certificate: pathlib.Path | None = None
    """PEM chain that clients see; without it the gateway speaks plain HTTP."""
    tls_key: pathlib.Path | None = None
    """PEM key of `tls_certificate`."""
    cors_origins: tuple[str, ...] = ()
    """Origins (`https://host`) whose pages may call the API from a browser."""
    login_attempts: Annotated[int, annotated_types.Interval(ge=1, le=1_000_000)] = 5
    """How often one client address may try to log in within a minute."""
    trusted_proxies: Annotated[int, annotated_types.Interval(ge=0, le=16)] = 0
    """How many proxies stand in front, whose `x-forwarded-for` is believed; 0 takes the connection's address."""
    request_seconds: Annotated[float, annotated_types.Interval(ge=1, le=300)] = 15.0
    """Time for one answer; event streams have no limit."""
    access_log: str = "/dev/stdout"
    """File for one line of JSON a request; empty: none."""


class ManagerConfig(config.Settings):
    """Everything that a manager can be told."""

    kind = "manager"

    state_dir: pathlib.Path = pathlib.Path("/var/lib/gthulhu/manager")
    """Where it keeps what must survive a restart."""
    server: Server = Server()
    logging: Logging = Logging()
    mongodb: MongoDB = MongoDB()
    store: Store = Store()
    k8s: Kubernetes = Kubernetes()
    inventory: Inventory = Inventory()
    identity: Identity = Identity()
    key: Key = Key()
    account: Account = Account()
    passwords: Passwords = Passwords()
    distribution: Distribution = Distribution()
    gateway: Gateway = Gateway()
