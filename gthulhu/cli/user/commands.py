"""The commands of users; each opens a connection, acts, and prints. Those that write strategies stand apart."""

import getpass
import pathlib
from typing import Annotated

import typer

from gthulhu.cli.user import writing
from gthulhu.cli.user.formats import Format
from gthulhu.cli.user.writing import show

Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]

get = typer.Typer(no_args_is_help=True, help="List strategies, intents, nodes or processes.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (login, *writing.COMMANDS, explain, pause, status):
        app.command()(command)
    app.add_typer(get, name="get")


def login(
    *,
    server: Annotated[str, typer.Option(envvar="GTHULHU_SERVER", help="The gateway's URL.")] = "http://127.0.0.1:8081",
    username: Annotated[str, typer.Option("--username", "-u", help="User name or e-mail address.")] = "admin",
    password_file: Annotated[
        pathlib.Path | None, typer.Option(help="File that holds the password; asked for where it is absent.")
    ] = None,
    new_password_file: Annotated[
        pathlib.Path | None, typer.Option(help="File that holds another, for a password that has to be changed.")
    ] = None,
    ca: Annotated[
        pathlib.Path | None, typer.Option(help="CA certificate to check the gateway's with; default: the machine's.")
    ] = None,
) -> None:
    """Log in, and keep the tokens in ~/.config/gthulhu (readable by you only)."""
    from gthulhu.cli.user import logging_in

    show(
        logging_in.login(
            server=server,
            username=username,
            password=_secret(password_file, "Password: "),
            ca=str(ca.absolute()) if ca else "",
            new_password=lambda: _secret(new_password_file, "The password has to be changed. New password: "),
        )
    )


@get.command("strategies")
def get_strategies(
    name: Annotated[str, typer.Argument(help="Only those of this name.")] = "",
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only those of this strategyNamespace.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """List the strategies that your roles let you see; as YAML, so that they can be applied."""
    from gthulhu.cli.user import actions, connection, manifests
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        found = actions.strategies(link, namespace=namespace, name=name)
    if output is Format.YAML:
        print(manifests.dump(found) if found else "# no strategies")
        return
    rows = [outputs.strategy_row(one) for one in found]
    print(outputs.present(found, rows, output=output, empty="no strategies"))


@get.command("intents")
def get_intents(
    *,
    node: Annotated[str, typer.Option(help="Only those of this node.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only pods of this Kubernetes namespace.")] = "",
    pod: Annotated[str, typer.Option(help="Only those of this pod, by name or UID.")] = "",
    strategy: Annotated[str, typer.Option(help="Only those of this strategy, by name or id.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with each change, until Ctrl-C.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List intents: what each strategy has become on each pod."""
    from gthulhu.cli.user import actions, connection, pods
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        if watch:
            if pod or output is Format.YAML:
                raise typer.BadParameter("--watch goes with neither --pod nor -o yaml")
            show(pods.watch(link, node=node, namespace=namespace, strategy=strategy, form=output))
            return
        found = actions.intents(link, node=node, namespace=namespace, pod=pod, strategy=strategy)
    rows = [outputs.intent_row(one) for one in found]
    print(outputs.present(found, rows, output=output, empty="no intents"))


@get.command("nodes")
def get_nodes(*, output: Output = Format.TABLE) -> None:
    """List nodes, and how far their agents are."""
    from gthulhu.cli.user import actions, connection
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        found = actions.nodes(link)
    print(outputs.present(found, [outputs.node_row(one) for one in found], output=output, empty="no nodes"))


@get.command("pids")
def get_pids(*, node: Annotated[str, typer.Argument(help="The node's name.")], output: Output = Format.TABLE) -> None:
    """List the pods of a node with their processes, as its agent sees them now."""
    from gthulhu.cli.user import connection, pods
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        found = pods.processes(link, node)
    rows = [row for one in found for row in pods.process_rows(one)]
    print(outputs.present(found, rows, output=output, empty="no processes"))


def explain(
    *,
    pod: Annotated[str, typer.Argument(help="The pod's name.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its Kubernetes namespace.")] = "default",
    output: Output = Format.TABLE,
) -> None:
    """Tell why a pod is scheduled as it is: every strategy considered, what came of it, and what its processes get."""
    from gthulhu.cli.user import connection, pods
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        answer = pods.explanation(link, pod, namespace=namespace)
    if output is Format.TABLE:
        show(pods.explained(answer))
    else:
        print(outputs.structured(outputs.plain(answer), output=output))


def pause() -> None:
    """Let no strategy have any effect, until `gthulhu resume`."""
    from gthulhu.cli.user import connection, pods

    with connection.Connection.of_user() as link:
        print(pods.switch(link, paused=True))


def status() -> None:
    """Tell how the system is: manager, nodes, strategies, intents."""
    from gthulhu.cli.user import actions, connection

    with connection.Connection.of_user() as link:
        show(actions.status(link))


def _secret(file: pathlib.Path | None, prompt: str) -> str:
    return file.read_text().rstrip("\n") if file else getpass.getpass(prompt)
