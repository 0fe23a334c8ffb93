"""Runs a Dockerfile without an engine: each stage is an overlay over a base's root, each RUN a shell chrooted into it.

As far as our own Dockerfile goes: ARG, FROM, SHELL, RUN, WORKDIR, COPY, ENV, and what only describes the image.
"""

import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import ssl
import string
import subprocess
from collections.abc import Mapping, Sequence

_CHROOT = """
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/run"
cp --remove-destination /etc/resolv.conf "$ROOT/etc/resolv.conf"
cp "$TRUSTED" "$ROOT/run/trusted.crt"
exec chroot "$ROOT" /usr/bin/env -i "$@"
"""
"""Nothing of this machine is mounted that could be written to: packages' scripts do write where they may."""
_TRUSTED = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
"""Where the network is reached through a proxy with a CA of its own, a build has to trust that too."""
_PRIVATE = ("/usr/bin/unshare", "--mount", "--propagation", "private")
_DESCRIBING = {"USER": "user", "ENTRYPOINT": "entrypoint", "CMD": "command", "SHELL": "shell"}


@dataclasses.dataclass(kw_only=True)
class Stage:
    """A stage: what its base has, and what was put over it."""

    base: str
    lower: pathlib.Path
    folder: pathlib.Path
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    shell: Sequence[str] = ("/bin/sh", "-c")
    workdir: str = "/"
    user: str = "0"
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()

    @property
    def upper(self) -> pathlib.Path:
        """What the stage has added to its base."""
        return self.folder / "upper"

    def run(self, *command: str, check: bool = True, user: str = "0") -> subprocess.CompletedProcess[str]:
        """Run a command in the stage."""
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        env = {
            "LOWER": str(self.lower),
            "UPPER": str(self.upper),
            "WORK": str(self.folder / "work"),
            "ROOT": str(self.folder / "root"),
            "TRUSTED": _TRUSTED,
        }
        passed = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
        passed |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), "/run/trusted.crt")
        settings = {"PATH": os.defpath + ":/usr/sbin:/sbin", "HOME": "/root", **passed, **self.env}
        words = [f"{key}={value}" for key, value in settings.items()]
        inside = f"cd {shlex.quote(self.workdir)} && exec {shlex.join(command)}"
        identity = [] if user == "0" else ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"]
        done = subprocess.run(
            [*_PRIVATE, "bash", "-c", _CHROOT, "bash", *words, *identity, "/bin/sh", "-c", inside],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done


def instructions(text: str) -> list[tuple[str, str]]:
    """Return instruction and argument of each, without comments, with lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


class Build:
    """A build of all stages."""

    def __init__(self, *, context: pathlib.Path, folder: pathlib.Path, bases: Mapping[str, pathlib.Path]) -> None:
        """Take the context, a folder for everything that is made, and the roots of the bases by their names."""
        self.stages: dict[str, Stage] = {}
        self.ran: list[str] = []
        self._context = context
        self._folder = folder
        self._bases = bases
        self._arguments: dict[str, str] = {}

    def build(self, text: str) -> None:
        """Run every instruction."""
        stage: Stage | None = None
        for word, rest in instructions(text):
            if word == "ARG":
                name, _, value = rest.partition("=")
                self._arguments[name] = value
            elif word == "FROM":
                stage = self._begin(string.Template(rest).substitute(self._arguments))
            else:
                assert stage is not None
                self._step(stage, word, rest)

    def _begin(self, rest: str) -> Stage:
        base, _, name = rest.partition(" AS ")
        stage = Stage(base=base, lower=self._bases[base], folder=self._folder / name)
        stage.upper.mkdir(parents=True)
        self.stages[name] = stage
        return stage

    def _step(self, stage: Stage, word: str, rest: str) -> None:
        match word:
            case "RUN":
                self.ran.append(rest)
                stage.run(*stage.shell, rest)
            case "WORKDIR":
                stage.workdir = rest
                (stage.upper / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(stage, rest.split())
            case "ENV":
                for pair in shlex.split(rest):
                    key, _, value = pair.partition("=")
                    stage.env[key] = string.Template(value).substitute(self._arguments)
            case _ if word in _DESCRIBING:
                setattr(stage, _DESCRIBING[word], json.loads(rest) if rest.startswith("[") else rest)
            case _:
                assert word == "EXPOSE", f"an instruction that is not known here: {word}"

    def _copy(self, stage: Stage, words: list[str]) -> None:
        source, target = words[-2:]
        into = stage.upper / os.path.normpath(f"{stage.workdir}/{target}").lstrip("/")
        if words[0].startswith("--from="):
            origin = self.stages[words[0].removeprefix("--from=")].upper / source.lstrip("/")
            shutil.copytree(origin, into, symlinks=True, dirs_exist_ok=True)
            return
        for path in context_files(self._context):
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._context / path, into / path)


def context_files(context: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that .dockerignore lets in, as far as ours goes: names taken in, then patterns left out."""
    lines = (context / ".dockerignore").read_text().split("\n")
    names = [line[1:] for line in lines if line.startswith("!")]
    left_out = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    found = []
    for name in names:
        whole = context / name
        for path in [whole] if whole.is_file() else (one for one in whole.rglob("*") if one.is_file()):
            relative = path.relative_to(context)
            if not any(fnmatch.fnmatch(part, pattern) for part in relative.parts for pattern in left_out):
                found.append(relative)
    return found
