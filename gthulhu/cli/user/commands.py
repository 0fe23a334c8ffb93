"""The commands of users; each opens a connection, acts, and prints."""

import getpass
import pathlib
from collections.abc import Iterable
from typing import Annotated

import typer

from gthulhu.cli.user.formats import Format

Files = Annotated[
    list[pathlib.Path], typer.Option("--file", "-f", help="YAML file, or folder of them; may be given repeatedly.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]

get = typer.Typer(no_args_is_help=True, help="List strategies, intents or nodes.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (login, apply, delete, preview, status):
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

    _print(
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
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only those of this strategyNamespace.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """List the strategies that your roles let you see."""
    from gthulhu.cli.user import actions, connection
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
        found = actions.strategies(link, namespace=namespace)
    rows = [outputs.strategy_row(one) for one in found]
    print(outputs.present(found, rows, output=output, empty="no strategies"))


@get.command("intents")
def get_intents(
    *,
    node: Annotated[str, typer.Option(help="Only those of this node.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only pods of this Kubernetes namespace.")] = "",
    pod: Annotated[str, typer.Option(help="Only those of this pod, by name or UID.")] = "",
    strategy: Annotated[str, typer.Option(help="Only those of this strategy, by name or id.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """List intents: what each strategy has become on each pod."""
    from gthulhu.cli.user import actions, connection
    from gthulhu.cli.user import output as outputs

    with connection.Connection.of_user() as link:
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


def apply(*, file: Files) -> None:
    """Create or replace the strategies of YAML files; running it again changes nothing."""
    from gthulhu.cli.user import actions, connection

    with connection.Connection.of_user() as link:
        _print(actions.apply(link, file))


def delete(
    *,
    names: Annotated[list[str] | None, typer.Argument(help="Names of strategies.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Their strategyNamespace.")] = "default",
    file: Annotated[
        list[pathlib.Path] | None, typer.Option("--file", "-f", help="Delete the strategies of YAML files or folders.")
    ] = None,
) -> None:
    """Delete strategies; what they did is undone on the nodes within a second."""
    from gthulhu.cli.user import actions, connection

    if not names and not file:
        raise typer.BadParameter("give names of strategies, or -f FILE")
    with connection.Connection.of_user() as link:
        _print(actions.delete(link, names=names or [], namespace=namespace, paths=file or []))


def preview(*, file: Files) -> None:
    """Tell which pods the strategies of YAML files would select; nothing is stored."""
    from gthulhu.cli.user import actions, connection

    with connection.Connection.of_user() as link:
        _print(actions.preview(link, file))


def status() -> None:
    """Tell how the system is: manager, nodes, strategies, intents."""
    from gthulhu.cli.user import actions, connection

    with connection.Connection.of_user() as link:
        _print(actions.status(link))


def _secret(file: pathlib.Path | None, prompt: str) -> str:
    return file.read_text().rstrip("\n") if file else getpass.getpass(prompt)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
