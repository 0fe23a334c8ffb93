"""Write what is made from the schema for gateways: plain Envoy configurations, and the table of REST routes.

With --check nothing is written: it fails where something is not fresh, or where Envoy refuses a configuration.
"""

import argparse
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

from gthulhu.common.grpc import access
from gthulhu.gateway import certificates, comments, options, process, render, routes

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARE = pathlib.Path("/usr/share/gthulhu")
FILES = options.Files(
    descriptors=SHARE / "gthulhu.binpb",
    presentation=SHARE / "gateway/presentation.lua",
    swagger=SHARE / "gateway/swagger",
    swagger_assets=SHARE / "gateway/swagger/assets",
    ui=SHARE / "gateway/ui",
    secrets=SHARE / "gateway/secrets",
)
PLAIN: Mapping[routes.Kind, options.Options] = {
    "manager": options.Options(
        kind="manager",
        listen="0.0.0.0:8081",
        upstreams=["gthulhu-manager:9443"],
        certificates=pathlib.Path("/etc/gthulhu/pki"),
        files=FILES,
    ),
    "agent": options.Options(
        kind="agent", listen="127.0.0.1:8080", upstreams=["unix:/run/gthulhu/agent.sock"], files=FILES
    ),
}
HEAD = "# {} Made from the schema by scripts/gateway.py: change gthulhu/gateway, then `python scripts/gateway.py`.\n"
WHAT = {"manager": "Envoy in front of managers.", "agent": "Envoy in front of an agent's unix socket."}
MARK = "<!-- routes of the {}, made by scripts/gateway.py -->"


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something is not fresh")
    check = parser.parse_args().check
    stale = []
    for path, text in made().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {path.relative_to(ROOT)}")
    if check:
        for path in stale:
            print(f"{path} is not fresh: run python scripts/gateway.py")
        return 1 if stale or not all(accepted(plain) for plain in PLAIN.values()) else 0
    return 0


def made() -> Mapping[pathlib.Path, str]:
    """Return the text of each file that is made from the schema."""
    plain = {
        ROOT / "gateway" / f"{kind}.yaml": HEAD.format(WHAT[kind]) + render.render(settings)
        for kind, settings in PLAIN.items()
    }
    secrets = {
        ROOT / "gateway/secrets" / name: HEAD.format("A secret of gateway/manager.yaml.") + render.text(secret)
        for name, secret in certificates.secrets(PLAIN["manager"])
    }
    reference = ROOT / "docs/reference/rest.md"
    text = reference.read_text(encoding="utf-8")
    for kind in PLAIN:
        mark = MARK.format(kind)
        before, _, after = text.split(mark)
        text = before + mark + "\n" + "\n".join(table(kind)) + "\n" + mark + after
    return {**plain, **secrets, reference: text}


def table(kind: routes.Kind) -> Iterator[str]:
    """Return a Markdown table of all routes."""
    rules = access.rules()
    yield "| method, path | who may call | what it does | answer |"
    yield "|---|---|---|---|"
    for route in sorted(routes.routes(kind), key=lambda each: (each.template, each.method)):
        rule = rules[f"/{route.rpc.containing_service.full_name}/{route.rpc.name}"]
        text = comments.comments()[route.rpc.full_name].split(". ", maxsplit=1)[0].removesuffix(".")
        shown = "event stream" if route.stream else "bare" if route.bare else "envelope"
        yield f"| {route.method} `{route.template}` | {who(rule)} | {text} | {shown} |"


def who(rule: access.Rule) -> str:
    """Say who may call."""
    if rule.public:
        return "anybody"
    if rule.scope:
        return f"token, scope {rule.scope}"
    return f"`{rule.permission}`" if rule.permission else "any user"


def accepted(settings: options.Options) -> bool:
    """Ask Envoy whether it takes a configuration, with this checkout's files and without certificates."""
    with tempfile.TemporaryDirectory() as folder:
        here = dataclasses.replace(settings, files=options.Files(), certificates=None)
        command = [process.executable(), "--mode", "validate", "-l", "error", "-c"]
        return subprocess.run([*command, str(process.write(here, pathlib.Path(folder)))], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
