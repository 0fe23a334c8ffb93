"""Runs a container of a manifest on this machine, as a runtime would: its user, capabilities, root and mounts.

The root is this machine's, with what an image would have beside it, read-only where the manifest says so. Not done are
seccomp, AppArmor, cgroup limits and network namespaces: those are the runtime's.
"""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

_PROGRAMS = pathlib.Path(sys.executable).parent
_FOLDERS = {*_PROGRAMS.parents, *(_PROGRAMS / "python").resolve().parents}
"""Which everybody may enter in an image; on this machine they may be their owner's only."""

_START = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
cd "$SCRATCH/root"
mount --rbind /proc proc
mount --rbind /dev dev
while IFS=' ' read -r kind source target mode; do
    mkdir -p ".$target"
    if [ "$kind" = bind ]; then mount --rbind "$source" ".$target"; else mount -t tmpfs tmpfs ".$target"; fi
    [ "$kind" = bind ] || chmod 1777 ".$target"
    [ "$mode" = rw ] || mount -o remount,bind,ro ".$target"
done <"$SCRATCH/mounts"
for folder in $FOLDERS; do
    chmod o+x ".$folder"
done
[ "$READ_ONLY" = no ] || mount -o remount,bind,ro .
exec chroot . "$@"
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a pod, and what stands in for the cluster."""

    pod: Object
    """The pod's spec."""
    volumes: Mapping[str, pathlib.Path]
    """What each volume holds that is no emptyDir, by its name."""
    scratch: pathlib.Path
    """An empty folder."""
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Of the downward API, such as `spec.nodeName`."""
    overrides: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    """Of environment variables; None: without it."""
    account: pathlib.Path | None = None
    """The folder of the service account, if the pod mounts it."""

    name: str = ""
    """The container's, where the pod has several."""

    @property
    def spec(self) -> Object:
        """The container's spec."""
        all_of_them = [*self.pod.get("initContainers", ()), *self.pod["containers"]]
        (found,) = [one for one in all_of_them if self.name in ("", one["name"])]
        return dict(found)

    def environment(self) -> dict[str, str]:
        """Return its environment variables."""
        known: dict[str, str] = {}
        for one in self.spec.get("env", ()):
            if "value" in one:
                known[one["name"]] = re.sub(r"\$\((\w+)\)", lambda match: known[match[1]], one["value"])
            else:
                known[one["name"]] = self.fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        merged = {**known, **self.overrides}
        image = {"PATH": f"{_PROGRAMS}:{os.defpath}", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
        return {**image, **{key: value for key, value in merged.items() if value is not None}}

    def identity(self) -> Sequence[str]:
        """Return setpriv(1) with the user, groups and capabilities that the manifest gives."""
        pod, own = self.pod["securityContext"], self.spec["securityContext"]
        capabilities = own["capabilities"]
        assert capabilities["drop"] == ["ALL"]
        names = [name.lower() for name in capabilities.get("add", ())]
        bounding = ",".join(["-all", *(f"+{name}" for name in names)])
        return [
            "setpriv",
            f"--reuid={pod['runAsUser']}",
            f"--regid={pod['runAsGroup']}",
            f"--groups={pod['fsGroup']}" if "fsGroup" in pod else "--clear-groups",
            f"--bounding-set={bounding}",
            "--inh-caps=-all",
            *([] if own["allowPrivilegeEscalation"] else ["--no-new-privs"]),
        ]

    def mounts(self) -> str:
        """Return a line for each: kind, source, target, mode."""
        account = "/var/run/secrets/kubernetes.io/serviceaccount"
        found = [(self._source(one), one["mountPath"], bool(one.get("readOnly"))) for one in self.spec["volumeMounts"]]
        if self.pod.get("automountServiceAccountToken"):
            found.append((f"bind {self.account}", account, True))
        # Links in the path (/var/run) lead where they lead on this machine.
        resolved = sorted((str(pathlib.Path(target).resolve()), source, ro) for source, target, ro in found)
        return "".join(f"{source} {target} {'ro' if ro else 'rw'}\n" for target, source, ro in resolved)

    def _source(self, mount: Object) -> str:
        empty = {one["name"] for one in self.pod["volumes"] if "emptyDir" in one}
        return "tmpfs -" if mount["name"] in empty else f"bind {self.volumes[mount['name']]}"

    @contextlib.asynccontextmanager
    async def running(self, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run `gthulhu` with the container's arguments (or another command) while the block lasts."""
        for name in ("upper", "work", "root"):
            (self.scratch / name).mkdir(parents=True)
        (self.scratch / "mounts").write_text(self.mounts())
        own = self.spec["securityContext"]
        environment = [f"{key}={value}" for key, value in self.environment().items()]
        process = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "--propagation", "private", "bash", "-c", _START, "bash"),
            *self.identity(),
            *("env", "-i", *environment),
            *(command or (*self.spec.get("command", ["gthulhu"]), *self.spec["args"])),
            env={
                **os.environ,
                "SCRATCH": str(self.scratch),
                "FOLDERS": " ".join(map(str, _FOLDERS)),
                "READ_ONLY": "yes" if own["readOnlyRootFilesystem"] else "no",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=(self.scratch / "log").open("wb"),
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(15):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def output(self, *command: str) -> str:
        """Return what it prints; `AssertionError` where it fails."""
        async with self.running(*command) as process:
            assert process.stdout
            text = (await process.stdout.read()).decode()
            assert await process.wait() == 0, (self.scratch / "log").read_text()[-3000:]
        return text
