"""The commands that write strategies, or tell what writing them would do."""

import pathlib
from collections.abc import Iterable
from typing import Annotated

import typer

Files = Annotated[
    list[pathlib.Path], typer.Option("--file", "-f", help="YAML file, or folder of them; may be given repeatedly.")
]
Folder = Annotated[str, typer.Option("--namespace", "-n", help="The strategyNamespace.")]
Name = Annotated[str, typer.Argument(help="The strategy's name.")]
Selectors = Annotated[
    list[str] | None,
    typer.Option("--label-selector", "-l", help="key=value, or key for a label that exists; all must hold."),
]
AllPods = Annotated[bool | None, typer.Option("--all-pods/--no-all-pods", help="Select every pod of the namespaces.")]
Namespaces = Annotated[
    list[str] | None, typer.Option(help="Kubernetes namespace to select in; may be given repeatedly. '' for any.")
]
Regex = Annotated[str | None, typer.Option(help="RE2, searched in comm and command line. '' for every process.")]
Priority = Annotated[int | None, typer.Option(help="0 to 20, lower is stronger; 10 is neutral.")]
Slice = Annotated[str | None, typer.Option(help="Time slice: 20ms, 500us; 0 for the enforcer's default.")]
End = Annotated[str | None, typer.Option(help="When it ends: 2030-01-31T12:00:00Z; '' for never.")]
Description = Annotated[str | None, typer.Option(help="For people.")]


def show(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        print(line, flush=True)


def apply(
    *,
    file: Files,
    prune: Annotated[bool, typer.Option(help="Delete what the set has created and no file names now.")] = False,
    diff: Annotated[bool, typer.Option(help="Only show what would change; exits with 1 if something would.")] = False,
    apply_set: Annotated[
        str, typer.Option("--set", help="The set that strategies are created in: folders that are pruned apart.")
    ] = "default",
) -> None:
    """Create or replace the strategies of YAML files; running it again changes nothing."""
    from gthulhu.cli.user import applying, connection

    with connection.Connection.of_user() as link:
        steps = applying.plan(link, file, apply_set=apply_set, prune=prune)
        if not diff:
            show(applying.apply(link, steps, apply_set=apply_set))
        elif lines := applying.diff(steps):
            show(lines)
            raise typer.Exit(1)


def delete(
    *,
    names: Annotated[list[str] | None, typer.Argument(help="Names of strategies.")] = None,
    namespace: Folder = "default",
    file: Annotated[
        list[pathlib.Path] | None, typer.Option("--file", "-f", help="Delete the strategies of YAML files or folders.")
    ] = None,
) -> None:
    """Delete strategies; what they did is undone on the nodes within a second."""
    from gthulhu.cli.user import actions, connection

    if not names and not file:
        raise typer.BadParameter("give names of strategies, or -f FILE")
    with connection.Connection.of_user() as link:
        show(actions.delete(link, names=names or [], namespace=namespace, paths=file or []))


def preview(*, file: Files) -> None:
    """Tell which pods the strategies of YAML files would select; nothing is stored."""
    from gthulhu.cli.user import actions, connection

    with connection.Connection.of_user() as link:
        show(actions.preview(link, file))


def update(  # noqa: PLR0913 - an option for each field
    *,
    name: Name,
    namespace: Folder = "default",
    label_selector: Selectors = None,
    all_pods: AllPods = None,
    k8s_namespace: Namespaces = None,
    command_regex: Regex = None,
    priority: Priority = None,
    execution_time: Slice = None,
    expires_at: End = None,
    description: Description = None,
) -> None:
    """Change what is given of a strategy; all else stays."""
    from gthulhu.cli.user import connection, editing

    fields = editing.Fields(
        label_selectors=label_selector,
        all_pods=all_pods,
        k8s_namespaces=k8s_namespace,
        command_regex=command_regex,
        priority=priority,
        execution_time=execution_time,
        expires_at=expires_at,
        description=description,
    )
    with connection.Connection.of_user() as link:
        show(editing.update(link, name, namespace=namespace, fields=fields))


def suspend(
    *, names: Annotated[list[str], typer.Argument(help="Names of strategies.")], namespace: Folder = "default"
) -> None:
    """Suspend strategies: they are kept, and have no effect until they are resumed."""
    from gthulhu.cli.user import connection, editing

    with connection.Connection.of_user() as link:
        show(editing.suspend(link, names, namespace=namespace, suspended=True))


def resume(
    *,
    names: Annotated[list[str] | None, typer.Argument(help="Names of strategies that were suspended.")] = None,
    namespace: Folder = "default",
) -> None:
    """Let strategies have their effect again; without a name, end `gthulhu pause`."""
    from gthulhu.cli.user import connection, editing, pods

    with connection.Connection.of_user() as link:
        if names:
            show(editing.suspend(link, names, namespace=namespace, suspended=False))
        else:
            print(pods.switch(link, paused=False))


COMMANDS = (apply, update, suspend, resume, delete, preview)
