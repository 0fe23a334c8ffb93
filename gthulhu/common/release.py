"""What is running: the release, and the revision that it was built from."""

import functools
import importlib.metadata
import os
import pathlib

API_VERSIONS = ("v1",)
UNKNOWN = "unknown"


@functools.cache
def version() -> str:
    """Return the installed release, for example `0.1.0`."""
    return importlib.metadata.version("gthulhu")


@functools.cache
def git_revision() -> str:
    """Return the revision: what the image's build put into GTHULHU_GIT_REVISION, else the checkout's; or `unknown`."""
    return os.environ.get("GTHULHU_GIT_REVISION") or _of_checkout(pathlib.Path(__file__).parents[2] / ".git")


def _of_checkout(folder: pathlib.Path) -> str:
    """Return what HEAD points to (gitrepository-layout(5)), read without git itself."""
    try:
        head = (folder / "HEAD").read_text().strip()
        reference = head.removeprefix("ref: ")
        if reference == head:
            return head
        if (folder / reference).exists():
            return (folder / reference).read_text().strip()
        packed = (line.split() for line in (folder / "packed-refs").read_text().splitlines())
        return next((words[0] for words in packed if words[1:] == [reference]), UNKNOWN)
    except OSError:
        return UNKNOWN
