"""Writing what must be whole, durable, and readable by its owner only."""

import os
import pathlib
import secrets

SECRET = 0o600
PUBLIC = 0o644


def folder(path: pathlib.Path) -> pathlib.Path:
    """Make a folder that only its owner may enter, where there is none; return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: pathlib.Path, content: bytes, *, mode: int = SECRET) -> None:
    """Replace a file in one step: readers see the old content or the new, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_durably(temporary, content, mode=mode)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def create(path: pathlib.Path, content: bytes, *, mode: int = SECRET) -> bool:
    """Make a file that is not there, in one step; False where somebody else was first."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_durably(temporary, content, mode=mode)
        os.link(temporary, path)
        _sync_folder(path.parent)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _write_durably(path: pathlib.Path, content: bytes, *, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
