"""Tells from a cgroup's path which pod and container it belongs to: pure, and the one place that knows the shapes.

Two cgroup drivers name the kubelet's cgroups (kubernetes: pkg/kubelet/cm/cgroup_manager_linux.go):

    systemd   kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid with _ for ->.slice/<container>.scope
    cgroupfs  kubepods/burstable/pod<uid>/<container>

Guaranteed pods lie directly below `kubepods`. A kubelet with a cgroup root of its own (kind: `kubelet`) puts that in
front: `kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-…` and `kubelet/kubepods/…`. Container runtimes name the
container `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope`, or `<id>`, `crio-<id>`; what a container
makes below its own cgroup (systemd, nested containers) belongs to it. containerd that does not know of the kubelet's
systemd driver makes `…-pod<uid>.slice:cri-containerd:<id>` in one component. A static pod's UID is a digest of its
manifest: 32 hexadecimal digits.
"""

import dataclasses
import re

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

_UID = r"(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_ID = r"(?P<id>[0-9a-f]{64})"

_POD = re.compile(
    rf"(?:(?:.*-)?kubepods-(?:(?P<qos>burstable|besteffort)-)?pod{_UID}\.slice"
    rf"(?::[a-z-]+:{_ID})?"
    r"|pod" + _UID.replace("<uid>", "<plain_uid>") + ")"
)
_CONTAINER = re.compile(rf"(?:(?:cri-containerd|crio|docker|libpod|cri-o)-)?{_ID}(?:\.scope)?")

_QOS = {"burstable": BURSTABLE, "besteffort": BEST_EFFORT, None: GUARANTEED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in a pod a cgroup lies."""

    pod_uid: str
    """With dashes, as Kubernetes writes it; a static pod's has none."""
    qos: str
    """Guaranteed, Burstable or BestEffort."""
    pod_cgroup: str
    """Path of the pod's cgroup, a prefix of what was parsed; empty where the runtime gives the pod none."""
    container_id: str = ""
    """64 hexadecimal digits; empty where the cgroup is the pod's, or not of a container."""
    container_cgroup: str = ""
    """Path of the container's cgroup; empty as above."""


def parse(path: str) -> Location | None:
    """Return where a cgroup path (of any hierarchy, with or without a leading slash) lies; None: in no pod.

    Of pods inside a pod (a cluster in a container) the outermost counts: it is the one that this node's kubelet knows.
    """
    parts = [part for part in path.split("/") if part]
    for at, part in enumerate(parts):
        found = _POD.fullmatch(part)
        if not found:
            continue
        fused = found["id"] or ""
        if not found["uid"] and not _is_kubepods(parts[:at]):
            continue
        here = "/".join(parts[: at + 1])
        container_id, container_cgroup = fused, here if fused else ""
        if not fused and at + 1 < len(parts) and (container := _CONTAINER.fullmatch(parts[at + 1])):
            container_id, container_cgroup = container["id"], f"{here}/{parts[at + 1]}"
        return Location(
            pod_uid=(found["uid"] or found["plain_uid"]).replace("_", "-"),
            qos=_QOS[found["qos"] or _qos_folder(parts[:at])],
            pod_cgroup="" if fused else here,
            container_id=container_id,
            container_cgroup=container_cgroup,
        )
    return None


def _qos_folder(above: list[str]) -> str | None:
    """Return the cgroupfs driver's folder of a pod, None for a Guaranteed pod's."""
    return above[-1] if above and above[-1] in _QOS else None


def _is_kubepods(above: list[str]) -> bool:
    """Tell whether the cgroupfs driver made the folder: others call things `pod…` too."""
    return bool(above) and "kubepods" in above[-2:]
