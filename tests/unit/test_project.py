"""What the project says about itself is true."""

import configparser
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]


def declared() -> set[str]:
    """Return the names of all packages that setup.cfg asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[ <>=!~\[;]", line, maxsplit=1)[0] for line in lines}


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "reference" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| (.+) \|$", page, re.MULTILINE)
    explained = {name for name, why in rows if name != "package" and why.strip()}
    assert explained == declared()


def test_links_in_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_target_of_the_makefile_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
