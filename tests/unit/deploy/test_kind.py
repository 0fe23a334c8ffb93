"""kind's folders and scripts, with stand-ins for the programs that make clusters."""

import os
import pathlib
import subprocess

import pytest
import yaml

from scripts import manifests

KIND = manifests.DEPLOY / "kind"

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$LOG"
case "$(basename "$0") $*" in
"kind get clusters") cat "$CLUSTERS" ;;
"kind create cluster --name "*) echo "$4" >>"$CLUSTERS" ;;
"kind delete cluster --name "*) : >"$CLUSTERS" ;;
"docker image inspect "*) exit 0 ;;
esac
"""


class Machine:
    """A PATH with stand-ins, and what they were asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.log = folder / "log"
        self.clusters = folder / "clusters"
        self.clusters.touch()
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("docker", "kind", "kubectl"):
            (self.programs / name).write_text(STAND_IN)
            (self.programs / name).chmod(0o755)

    def run(self, script: str, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script; the log is of this run only."""
        self.log.write_text("")
        path = path or f"{self.programs}:{os.defpath}"
        env = {"PATH": path, "LOG": str(self.log), "CLUSTERS": str(self.clusters)}
        return subprocess.run(["/bin/bash", str(KIND / script)], env=env, capture_output=True, text=True, check=False)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def cluster(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def test_set_up_twice_makes_one_cluster_and_torn_down_twice_removes_it_once(cluster: Machine) -> None:
    for creating in (1, 0):
        done = cluster.run("local_setup.sh")
        assert done.returncode == 0, done.stderr
        assert sum(line.startswith("kind create") for line in cluster.asked()) == creating
        applied = [line.split()[-1] for line in cluster.asked() if " apply " in line]
        assert applied == [f"deploy/kind/{name}" for name in ("mongo", "manager", "decisionmaker")]
        assert sum(line.startswith("kind load docker-image gthulhu") for line in cluster.asked()) == 2
    for deleting in (1, 0):
        assert cluster.run("local_teardown.sh").returncode == 0
        assert sum(line.startswith("kind delete") for line in cluster.asked()) == deleting


@pytest.mark.parametrize("script", ["local_setup.sh", "local_test.sh", "local_teardown.sh"])
def test_what_is_missing_is_named(cluster: Machine, script: str) -> None:
    for program in cluster.programs.iterdir():
        program.unlink()
    for name in ("bash", "dirname", "mktemp"):
        (cluster.programs / name).symlink_to(f"/usr/bin/{name}")
    done = cluster.run(script, path=str(cluster.programs))
    assert done.returncode == 1
    assert "needs" in done.stderr


def test_together_the_folders_are_the_overlay() -> None:
    wanted = manifests.by_name(manifests.kustomized(manifests.DEPLOY / "kubernetes" / "overlays" / "kind"))
    found = {key: one for _, objects in manifests.plain() for key, one in manifests.by_name(objects).items()}
    assert found == wanted


@pytest.mark.parametrize("folder", ["manager", "decisionmaker", "mongo"])
def test_each_folder_can_be_applied_alone(folder: str) -> None:
    first, *others = yaml.safe_load_all((KIND / folder / "gthulhu.yaml").read_text())
    assert first["kind"] == "Namespace"
    found = manifests.by_name(others)
    for _, pod in manifests.pods(others):
        assert ("ServiceAccount", pod["serviceAccountName"]) in found


def test_images_are_those_that_make_image_builds() -> None:
    images = {
        one["image"]
        for _, objects in manifests.plain()
        for _, pod in manifests.pods(objects)
        for one in pod["containers"]
    }
    assert images == {"gthulhu:dev", "gthulhu-gateway:dev", "mongo:7.0"}


def test_the_development_mongodb_is_a_replica_set_with_a_key_and_a_user() -> None:
    services = yaml.safe_load((manifests.DEPLOY / "local" / "docker-compose.infra.yaml").read_text())["services"]
    mongodb = services["mongodb"]
    assert {"--replSet", "--keyFile"} <= set(mongodb["command"])
    assert mongodb["ports"] == ["127.0.0.1:27017:27017"]
    assert mongodb["environment"]["MONGODB_PASSWORD"] == "${MONGODB_PASSWORD:?set a password}"
    assert "/initiate.js" in mongodb["healthcheck"]["test"]
    script = manifests.by_name(manifests.base())["ConfigMap", "gthulhu-mongodb"]["data"]["initiate.js"]
    assert (manifests.DEPLOY / "local" / "initiate.js").read_text() == script
