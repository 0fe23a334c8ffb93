"""Gets what a virtual machine needs: kernels with sched_ext, and a libbpf that can load its schedulers.

Packages come from the mirror that this machine's own apt is configured with, by name, from two suites that apt itself
need not know. Each is kept under its checksum, so a second run downloads nothing; without network the newest ones
that are kept are used.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

SUITES = ("trixie-backports", "bookworm-backports")
LIBBPF = ("libbpf1",)
KERNELS = {
    # Of each series the version that was tried first, then what took its place in the archive. Since 6.19 the package
    # with the image is linux-binary, and linux-image depends on it.
    "6.18": tuple(f"linux-image-6.18.{minor}+deb13-cloud-amd64" for minor in (15, 12, 9, 5)),
    "7.0": tuple(f"linux-binary-7.0.{minor}+deb13-cloud-amd64" for minor in (13, 12, 10, 9, 7, 4)),
}


class FetchError(Exception):
    """What is needed cannot be had here; the text says why, in one line."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One Debian package of an index."""

    name: str
    version: str
    sha256: str


def cache_folder() -> pathlib.Path:
    """Return where downloads are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(base) / "gthulhu" / "vm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Archive:
    """A private view of the package archive."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Keep lists and downloads below `folder`."""
        self._folder = folder
        self._known = folder / "known.json"
        for name in ("lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def _apt(self, command: str, *arguments: str, cwd: pathlib.Path | None = None) -> str:
        options = {
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 2,
        }
        flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        done = subprocess.run(
            [command, "-qq", *flags, *arguments], cwd=cwd, check=False, capture_output=True, text=True, timeout=180
        )
        if done.returncode:
            raise FetchError(f"{command} {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout

    def refresh(self) -> None:
        """Read the package lists anew; without network the old ones stay in use."""
        sites = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        mirrors = [site for site in dict.fromkeys(sites) if "security" not in site]
        if not mirrors:
            raise FetchError("apt is configured with no Debian mirror")
        (self._folder / "sources.list").write_text("".join(f"deb {mirrors[0]} {suite} main\n" for suite in SUITES))
        try:
            self._apt("apt-get", "update")
        except FetchError:
            if not self._known.exists():
                raise

    def find(self, names: tuple[str, ...]) -> Package:
        """Return the first of the packages that the archive has, or that is kept here already."""
        known = json.loads(self._known.read_text()) if self._known.exists() else {}
        for name in names:
            try:
                shown = self._apt("apt-cache", "show", "--no-all-versions", name)
            except FetchError:
                shown = ""
            fields = dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line and line[0] != " ")
            if "SHA256" in fields:
                found = Package(name=name, version=fields["Version"], sha256=fields["SHA256"])
                self._known.write_text(json.dumps({**known, name: dataclasses.asdict(found)}, indent=1))
                return found
            if name in known:
                return Package(**known[name])
        raise FetchError(f"the package archive has none of {', '.join(names)}")

    def unpack(self, package: Package) -> pathlib.Path:
        """Return the folder with the package's files, downloaded and unpacked once."""
        target = self._folder / "unpacked" / package.sha256[:16]
        if target.exists():
            return target
        deb = self._folder / "packages" / f"{package.sha256}.deb"
        if not deb.exists():
            scratch = self._folder / "packages" / "partial"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            self._apt("apt-get", "download", f"{package.name}={package.version}", cwd=scratch)
            (downloaded,) = scratch.glob("*.deb")
            if hashlib.sha256(downloaded.read_bytes()).hexdigest() != package.sha256:
                raise FetchError(f"{package.name} {package.version}: the checksum is wrong")
            downloaded.rename(deb)
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", str(deb), str(partial)], check=True)
        partial.rename(target)
        return target


def kernel(archive: Archive, series: str) -> pathlib.Path:
    """Return a bootable kernel image of a series; those here all have sched_ext, and what a root on virtiofs needs."""
    (image,) = archive.unpack(archive.find(KERNELS[series])).glob("boot/vmlinuz-*")
    return image


def libbpf(archive: Archive) -> pathlib.Path:
    """Return a libbpf.so that can load struct_ops links (1.4 and later; bookworm's own is 1.1)."""
    folder = archive.unpack(archive.find(LIBBPF))
    return next(path for path in folder.rglob("libbpf.so.1.*") if not path.is_symlink())
