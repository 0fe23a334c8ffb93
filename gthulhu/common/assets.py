"""Files that are no Python: the gateway's and the commented default configuration."""

import pathlib
import sysconfig

import gthulhu


def path(name: str) -> pathlib.Path:
    """Return where a file or folder below `gateway/` or `config/` is: in the checkout, or as installed.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    roots = (
        pathlib.Path(gthulhu.__file__).parents[1],
        pathlib.Path(sysconfig.get_path("data"), "share", "gthulhu"),
    )
    for root in roots:
        if (found := root / name).exists():
            return found
    raise FileNotFoundError(f"{name} is neither in {roots[0]} nor in {roots[1]}")
