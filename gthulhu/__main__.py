"""`python -m gthulhu`: the same as the `gthulhu` command."""

from gthulhu import cli

cli.main()
