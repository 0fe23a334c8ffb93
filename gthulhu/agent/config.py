"""The agent's settings; `config/dm_config.toml` shows them with their defaults.

The documented sections and keys of the older project (`[server] host`, `[logging] level`, `[token] …`) keep their
names and meanings.
"""

import pathlib
import socket
from typing import Annotated, Literal

import annotated_types
import pydantic

from gthulhu.common import config


class Server(config.Section):
    """`[server]`: where the agent and its own gateway listen."""

    host: str = "127.0.0.1:8080"
    """The listener of the agent's own, optional gateway; `gthulhu gateway` reads it."""
    grpc_address: str = "0.0.0.0:9444"
    """gRPC for managers, mTLS; empty: none."""
    advertise_address: str = ""
    """How managers reach `grpc_address`, host:port; empty: the host's name with its port."""
    health_address: str = ""
    """gRPC's health service alone, without TLS, for the kubelet's probes; empty: none."""
    socket: pathlib.Path = pathlib.Path("agent.sock")
    """Unix socket for the agent's own gateway, below the state folder unless absolute."""
    metrics_address: str = "127.0.0.1:9090"
    """Prometheus metrics, plain HTTP; empty: none."""


class Logging(config.Section):
    """`[logging]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious records that are written."""
    format: Literal["json", "text"] = "json"
    """`json` is one object a line, for machines; `text` is for people at a terminal."""


class Token(config.Section):
    """`[token]`: tokens for an external scheduler that polls the agent's routes."""

    rsa_private_key_pem: pydantic.SecretStr = pydantic.SecretStr("")
    """Signs the tokens; empty: the agent makes a key once and keeps it in its state folder."""
    rsa_private_key_pem_file: pathlib.Path | None = None
    """A file that holds it instead."""
    token_duration_hr: Annotated[int, annotated_types.Interval(ge=1, le=24 * 365)] = 24
    """Hours that a token lives; schedulers ask for a new one only after that."""
    scheduler_public_key_file: pathlib.Path | None = None
    """PEM: whoever presents it gets a token for strategies, metrics and pids."""
    manager_public_key_file: pathlib.Path | None = None
    """PEM: whoever presents it gets a token that opens intents too."""


class Manager(config.Section):
    """`[manager]`: where the managers are."""

    address: str = "localhost:9443"
    """host:port, or any gRPC target; several addresses behind one name are tried in turn."""
    enrollment_address: str = "localhost:9445"
    """Where the managers take agents that have no certificate yet, likewise."""
    server_name: str = "gthulhu-manager"
    """The DNS name in the managers' certificates."""


class Identity(config.Section):
    """`[identity]`: the agent's keys and certificates."""

    trust_domain: str = "gthulhu.local"
    """Of the SPIFFE ids in certificates; certificates of another one name nobody."""
    folder: pathlib.Path = pathlib.Path("pki")
    """Holds ca.crt, agent.crt, agent.key and node.token; below the state folder unless absolute."""
    ca_file: pathlib.Path | None = None
    """PEM: whom to trust when there is no ca.crt in `folder` yet, and besides it when enrolling. Like the two below it
    lies below the state folder unless absolute."""
    join_token_file: pathlib.Path | None = None
    """A one-time token of `gthulhu pki join-token`, to enrol with; renewed by the certificate from then on."""
    service_account_token_file: pathlib.Path | None = None
    """A projected Kubernetes service-account token (audience `gthulhu-manager`), to enrol and to renew with."""


class Node(config.Section):
    """`[node]`: the node that the agent is on, as the host's kernel shows it."""

    name: str = pydantic.Field(default_factory=socket.gethostname)
    """As in Kubernetes; the host's own name where none is given."""
    proc_root: pathlib.Path = pathlib.Path("/proc")
    """The host's procfs, as mounted into the agent's container."""
    cgroup_root: pathlib.Path = pathlib.Path("/sys/fs/cgroup")
    """The host's cgroup file systems, likewise; version 1 and 2."""
    process_events: Literal["netlink", "pyroute2", "none"] = "netlink"
    """How forks and execs are heard of: the kernel's process connector on a plain socket, or decoded by pyroute2 (many
    times the cost an event), or not at all: new processes then wait for the next walk."""
    kubepods: tuple[str, ...] = (
        "kubepods.slice",
        "kubepods",
        "kubelet.slice/kubelet-kubepods.slice",
        "kubelet/kubepods",
    )
    """The kubelet's cgroups, below the root of the cpu controller's hierarchy; the demo has one of its own."""


class Enforcement(config.Section):
    """`[enforcement]`: how decisions reach the kernel."""

    enforcer: Literal["auto", "stock", "sched_ext", "external", "observe"] = "auto"
    """`auto` takes the strongest that the node allows."""
    sched_ext_pinned: bool = False
    """Whether our own scheduler outlives the agent, so that an upgrade leaves no gap; off, because then nothing but a
    new agent, or removing /sys/fs/bpf/gthulhu, ends it."""
    default_slice_us: Annotated[int, annotated_types.Interval(ge=100, le=1_000_000)] = 5_000
    """The slice, with our own scheduler, of tasks that no strategy gives one."""
    restore_on_exit: bool = False
    """Whether an orderly exit puts everything back; off, because an upgrade should not disturb workloads."""
    external_slice_ms: Annotated[int, annotated_types.Interval(ge=1, le=1000)] = 20
    """What an external scheduler is told where a strategy names no time slice: it takes 0 as a zero slice."""
    max_stale_seconds: Annotated[int, annotated_types.Interval(ge=0)] = 0
    """Withdraw everything after so long without a manager; 0: never."""
    verify_seconds: Annotated[int, annotated_types.Interval(ge=1, le=3600)] = 30
    """How often drift is looked for."""
    walk_seconds: Annotated[int, annotated_types.Interval(ge=1, le=3600)] = 30
    """How often discovery walks everything, in case an event was missed."""


class Gateway(config.Section):
    """`[gateway]`: what `gthulhu gateway run --kind agent` offers clients; the agent itself does not read it."""

    tls_certificate: pathlib.Path | None = None
    """PEM chain that clients see; without it the gateway speaks plain HTTP, which is for loopback only."""
    tls_key: pathlib.Path | None = None
    """PEM key of `tls_certificate`."""
    open_to: tuple[str, ...] = ()
    """Address ranges (`10.0.0.0/8`) that may read what needs no token: health, version and metrics; empty: all."""
    access_log: str = "/dev/stdout"
    """File for one line of JSON a request; empty: none."""


class Measuring(config.Section):
    """`[measuring]`: how the scheduler's work is measured."""

    collector: Literal["auto", "co-re", "procfs"] = "auto"
    """`co-re`: BPF programs loaded by libbpf; they know migrations, the lengths of waits, and short-lived processes.
    `procfs`: the kernel's own accounting; works everywhere."""


class AgentConfig(config.Settings):
    """Everything that an agent can be told."""

    kind = "agent"

    state_dir: pathlib.Path = pathlib.Path("/var/lib/gthulhu/agent")
    """Where it keeps what must survive a restart."""
    server: Server = Server()
    logging: Logging = Logging()
    token: Token = Token()
    manager: Manager = Manager()
    identity: Identity = Identity()
    node: Node = Node()
    enforcement: Enforcement = Enforcement()
    measuring: Measuring = Measuring()
    gateway: Gateway = Gateway()
