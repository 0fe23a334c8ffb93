"""The `gthulhu` command."""


def main() -> None:
    """Run the command line; see `gthulhu --help`."""
    from gthulhu.cli.app import run

    run()
