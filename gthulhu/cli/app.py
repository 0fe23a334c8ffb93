"""The command line as a whole. Each command imports its part when it runs, so that `gthulhu --help` is quick."""

import pathlib
import sys
from typing import Annotated, Literal

import typer

from gthulhu.cli.user import commands
from gthulhu.common import errors

ConfigFile = Annotated[
    str | None,
    typer.Option("--config", "-c", help="TOML file; a bare name is looked for in the state folder, as NAME.toml too."),
]
StateDir = Annotated[pathlib.Path | None, typer.Option("--state-dir", "-d", help="Folder for what survives a restart.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
Installation = Annotated[pathlib.Path, typer.Option("--state-dir", "-d", help="The installation's state folder.")]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Says once which Kubernetes workloads matter, and schedules them that way on every node.",
)
agent = typer.Typer(invoke_without_command=True, help="Run the agent of a node.")
gateway = typer.Typer(no_args_is_help=True, help="Run Envoy in front of managers or of an agent.")
pki = typer.Typer(no_args_is_help=True, help="Make the keys and certificates of an installation.")
config = typer.Typer(no_args_is_help=True, help="Look at the configuration.")


@app.command()
def version() -> None:
    """Print the release, and the revision that it was built from."""
    from gthulhu.common import release

    print(f"gthulhu {release.version()} ({release.git_revision()})")


@app.command()
def manager(*, config: ConfigFile = None, state_dir: StateDir = None, log_level: LogLevel = None) -> None:
    """Run a manager."""
    from gthulhu.cli import run as parts

    parts.manager(config=config, state_dir=state_dir, level=log_level)


@agent.callback()
def agent_run(
    context: typer.Context, *, config: ConfigFile = None, state_dir: StateDir = None, log_level: LogLevel = None
) -> None:
    """Run the agent of a node."""
    from gthulhu.cli import run as parts

    if context.invoked_subcommand is None:
        parts.agent(config=config, state_dir=state_dir, level=log_level)


@agent.command()
def restore(*, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Put everything back as the agent found it; for a node whose agent will not run again."""
    from gthulhu.cli import run as parts

    parts.restore(config=config, state_dir=state_dir)


@app.command(hidden=True)
def decisionmaker(*, config: ConfigFile = None, state_dir: StateDir = None, log_level: LogLevel = None) -> None:
    """Run the agent of a node, under its documented name."""
    from gthulhu.cli import run as parts

    parts.agent(config=config, state_dir=state_dir, level=log_level)


@gateway.command("run")
def gateway_run(
    *,
    kind: Annotated[str, typer.Option(help="manager or agent: what it stands in front of.")] = "manager",
    config: ConfigFile = None,
    state_dir: StateDir = None,
    upstream: Annotated[list[str] | None, typer.Option(help="host:port of a manager; may be given repeatedly.")] = None,
    certificates: Annotated[
        pathlib.Path | None, typer.Option(help="Folder with ca.crt, gateway.crt and gateway.key.")
    ] = None,
) -> None:
    """Run Envoy in the foreground, as the configuration of the part behind it says."""
    from gthulhu.cli import gateways

    gateways.run(kind=kind, config=config, state_dir=state_dir, upstreams=upstream or [], certificates=certificates)


@gateway.command("render")
def gateway_render(
    *,
    kind: Annotated[str, typer.Option(help="manager or agent: what it stands in front of.")] = "manager",
    config: ConfigFile = None,
    state_dir: StateDir = None,
    upstream: Annotated[list[str] | None, typer.Option(help="host:port of a manager; may be given repeatedly.")] = None,
    certificates: Annotated[
        pathlib.Path | None, typer.Option(help="Folder with ca.crt, gateway.crt and gateway.key.")
    ] = None,
    folder: Annotated[
        pathlib.Path | None, typer.Option(help="Write it there as envoy.yaml, with the pages that are made for it.")
    ] = None,
) -> None:
    """Print Envoy's configuration instead of running it."""
    from gthulhu.cli import gateways

    gateways.render(
        kind=kind,
        config=config,
        state_dir=state_dir,
        upstreams=upstream or [],
        certificates=certificates,
        folder=folder,
    )


@app.command()
def up(
    *,
    state_dir: Installation = pathlib.Path("~/.local/state/gthulhu"),
    nodes: Annotated[int, typer.Option(min=1, max=100, help="Agents; those after the first are simulated.")] = 1,
    listen: Annotated[str, typer.Option(help="host:port of the REST gateway.")] = "127.0.0.1:8081",
    inventory: Annotated[
        pathlib.Path | None, typer.Option(help="YAML of nodes and pods; default: one in the state folder.")
    ] = None,
) -> None:
    """Run manager, agent and gateway here until Ctrl-C."""
    from gthulhu.cli.local import up as local

    raise typer.Exit(
        local.run(state=state_dir.expanduser().absolute(), nodes=nodes, listen=listen, inventory=inventory)
    )


@app.command()
def demo() -> None:
    """Show the whole path at work on two real processes, then remove everything."""
    from gthulhu.cli.demo import run as demonstration

    raise typer.Exit(demonstration.run())


@pki.command("init")
def pki_init(
    *,
    state_dir: Installation,
    trust_domain: Annotated[str, typer.Option(help="Of the SPIFFE ids in certificates.")] = "gthulhu.local",
    dns: Annotated[list[str] | None, typer.Option(help="Further DNS name of managers and gateways.")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="Further address of managers and gateways.")] = None,
) -> None:
    """Make the certificate authority, the manager's and gateway's certificates, and the key that signs tokens."""
    from gthulhu.cli import pki as keys

    keys.initialise(state_dir, trust_domain=trust_domain, dns=dns or (), ips=ip or ())
    print(f"keys and certificates are in {state_dir}; keep {state_dir / 'ca' / 'ca.key'} apart from all others")


@pki.command("agent")
def pki_agent(*, node: Annotated[str, typer.Option(help="The node's name.")], state_dir: Installation) -> None:
    """Make the certificate and the token of a node's agent."""
    from gthulhu.cli import pki as keys

    print(f"carry {keys.add_agent(state_dir, node)} to the node {node}")


@pki.command("join-token")
def pki_join_token(
    *,
    node: Annotated[str, typer.Option(help="The node's name.")],
    state_dir: Installation,
    hours: Annotated[float, typer.Option(min=0.1, max=720, help="How long it can be used.")] = 1,
) -> None:
    """Print a one-time token by which a node's agent may ask a manager for its certificate."""
    from gthulhu.cli import pki as keys

    print(keys.join_token(state_dir, node, hours=hours))


@pki.command("cluster")
def pki_cluster(
    *,
    trust_domain: Annotated[str, typer.Option(help="Of the SPIFFE ids in certificates.")] = "gthulhu.local",
    dns: Annotated[list[str] | None, typer.Option(help="Further DNS name of the gateway.")] = None,
    certificates: Annotated[bool, typer.Option(help="Make the CA and certificates; cert-manager may instead.")] = True,
    mongodb: Annotated[bool, typer.Option(help="Make credentials for the MongoDB of the manifests.")] = False,
) -> None:
    """In a pod: make, as Secrets of its namespace, the keys and certificates that are missing or end soon."""
    from gthulhu.cli import cluster, kubernetes_secrets
    from gthulhu.common import clock

    for line in cluster.make(
        kubernetes_secrets.Secrets(),
        trust_domain=trust_domain,
        dns=dns or (),
        certificates=certificates,
        mongodb=mongodb,
        clock=clock.SystemClock(),
    ):
        print(line)


@pki.command("rotate")
def pki_rotate(
    *,
    step: Annotated[Literal["trust", "issue", "retire"], typer.Argument(help="In this order.")],
    state_dir: Installation,
) -> None:
    """Replace the certificate authority while everything runs, one step at a time."""
    from gthulhu.cli import rotation

    print(rotation.take(step, state_dir))


@pki.command("show")
def pki_show(*, state_dir: Installation) -> None:
    """List the certificates: whom each names, and when it ends."""
    from gthulhu.cli import pki as keys
    from gthulhu.cli.user import output

    print(output.table(keys.certificates(state_dir)))


@config.command("show")
def config_show(
    *,
    kind: Annotated[str, typer.Argument(help="manager or agent.")] = "manager",
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Print the effective configuration, and where each value comes from; secrets are masked."""
    from gthulhu.cli import run as parts

    for line in parts.show_config(kind=kind, config=config, state_dir=state_dir):
        print(line)


for group, name in ((agent, "agent"), (gateway, "gateway"), (pki, "pki"), (config, "config")):
    app.add_typer(group, name=name)
commands.register(app)


def run() -> None:
    """Run the command line; what goes wrong on purpose is one line on stderr and exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = _explained(error)
        if message is None:
            raise
        print(f"gthulhu: {message}", file=sys.stderr)
        sys.exit(1)


def _explained(error: BaseException) -> str | None:
    """Return the line for an error that is meant to be seen; None for a fault of ours."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    grpc = sys.modules.get("grpc")
    if isinstance(error, errors.DomainError) or (grpc and isinstance(error, grpc.RpcError)):
        from gthulhu.cli import failures

        return failures.line(error)
    return None
