"""Real cgroup paths, as drivers and runtimes make them."""

import pytest

from gthulhu.agent.discovery import paths

UID = "2b0a2bd5-3d6e-4e7b-9f1f-3c6a1f6ad001"
SLICE_UID = UID.replace("-", "_")
STATIC = "8f1b2c3d4e5f60718293a4b5c6d7e8f9"
ID = "3f" * 32
INNER = "a1" * 32
KIND_NODE = "77" * 32

SYSTEMD = f"kubepods.slice/kubepods-pod{SLICE_UID}.slice"
SYSTEMD_BURSTABLE = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE_UID}.slice"
KIND = (
    f"docker/{KIND_NODE}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
    f"kubelet-kubepods-besteffort-pod{SLICE_UID}.slice"
)

SHAPES = [
    pytest.param(SYSTEMD, "cri-containerd-{}.scope", UID, "Guaranteed", id="systemd, containerd, Guaranteed"),
    pytest.param(SYSTEMD_BURSTABLE, "cri-containerd-{}.scope", UID, "Burstable", id="systemd, containerd, Burstable"),
    pytest.param(
        f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICE_UID}.slice",
        "crio-{}.scope",
        UID,
        "BestEffort",
        id="systemd, CRI-O, BestEffort",
    ),
    pytest.param(SYSTEMD_BURSTABLE, "docker-{}.scope", UID, "Burstable", id="systemd, Docker"),
    pytest.param(
        f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC}.slice",
        "cri-containerd-{}.scope",
        STATIC,
        "Burstable",
        id="systemd, static pod",
    ),
    pytest.param(f"kubepods/pod{UID}", "{}", UID, "Guaranteed", id="cgroupfs, containerd or Docker, Guaranteed"),
    pytest.param(f"kubepods/burstable/pod{UID}", "{}", UID, "Burstable", id="cgroupfs, Burstable"),
    pytest.param(f"kubepods/besteffort/pod{UID}", "crio-{}", UID, "BestEffort", id="cgroupfs, CRI-O"),
    pytest.param(f"kubepods/burstable/pod{STATIC}", "{}", STATIC, "Burstable", id="cgroupfs, static pod"),
    pytest.param(KIND, "cri-containerd-{}.scope", UID, "BestEffort", id="kind, systemd"),
    pytest.param(
        f"docker/{KIND_NODE}/kubelet/kubepods/burstable/pod{UID}", "{}", UID, "Burstable", id="kind, cgroupfs"
    ),
    pytest.param(
        f"demo.slice/kubepods.slice/kubepods-pod{SLICE_UID}.slice",
        "cri-containerd-{}.scope",
        UID,
        "Guaranteed",
        id="below a root of its own",
    ),
]


@pytest.mark.parametrize(("pod", "container", "uid", "qos"), SHAPES)
@pytest.mark.parametrize(
    "below", ["", "/init.scope", "/system.slice/nginx.service", f"/docker/{INNER}", f"/kubepods/pod{STATIC}/{INNER}"]
)
@pytest.mark.parametrize("lead", ["", "/"])
def test_a_container_and_all_below_it_belong_to_its_pod(
    pod: str, container: str, uid: str, qos: str, below: str, lead: str
) -> None:
    inside = f"{pod}/{container.format(ID)}"
    assert paths.parse(f"{lead}{inside}{below}") == paths.Location(
        pod_uid=uid, qos=qos, pod_cgroup=pod, container_id=ID, container_cgroup=inside
    )


@pytest.mark.parametrize(("pod", "container", "uid", "qos"), SHAPES)
def test_the_pod_itself_is_in_no_container(pod: str, container: str, uid: str, qos: str) -> None:
    assert container
    assert paths.parse(pod) == paths.Location(pod_uid=uid, qos=qos, pod_cgroup=pod)


def test_the_monitor_of_cri_o_is_in_the_pod_but_in_no_container() -> None:
    where = paths.parse(f"{SYSTEMD}/crio-conmon-{ID}.scope")
    assert where is not None
    assert (where.pod_uid, where.container_id) == (UID, "")


def test_containerd_without_the_systemd_driver_makes_one_component_of_pod_and_container() -> None:
    path = f"system.slice/containerd.service/kubepods-burstable-pod{SLICE_UID}.slice:cri-containerd:{ID}"
    assert paths.parse(path) == paths.Location(
        pod_uid=UID, qos="Burstable", pod_cgroup="", container_id=ID, container_cgroup=path
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "system.slice/sshd.service",
        "kubepods.slice",
        "kubepods.slice/kubepods-burstable.slice",
        "kubepods/besteffort",
        f"docker/{ID}",
        f"user.slice/pod{UID}/{ID}",
        "machine.slice/libpod-pod_of_podman.slice",
        f"kubepods.slice/kubepods-pod{SLICE_UID}",
        "kubepods/podcast",
        f"kubepods.slice/kubepods-pod{SLICE_UID[:-1]}.slice",
    ],
)
def test_what_is_in_no_pod(path: str) -> None:
    assert paths.parse(path) is None
