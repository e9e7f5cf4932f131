"""The documents name files, headings and make targets that exist."""

import re
from pathlib import Path

import pytest

from tests.support import ROOT

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "api" / "execution" / "README.md",
]

FOLDERS = "|".join(("api", "tables", "migrations", "tests", "docs", "benchmarks"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_has_its_target(document: Path) -> None:
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(link)

    assert missing == []


def _anchors(document: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/decisions.md", "docs/operating.md"]
)
def test_every_path_exists(name: str) -> None:
    paths = re.findall(rf"`((?:{FOLDERS})/[\w./]*)`", (ROOT / name).read_text())

    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_contributing_lists_every_make_target() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)
    listed = re.findall(r"^\| `make ([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)

    assert set(targets.split()) <= set(listed)


def test_the_architecture_names_every_folder() -> None:
    """A new package belongs into the directory map."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.relative_to(ROOT) for path in (ROOT / "api").rglob("__init__.py")}
    top = {package for package in packages if len(package.parts) == 2}

    assert [str(package) for package in sorted(top) if f"`{package}/`" not in text] == []


def test_names_in_the_map_exist_in_the_linked_files() -> None:
    """Each name in a row of "Where is …?" is in one of the files that the row links to."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(r"^## Where is …\?\n(.*?)^## ", text, re.M | re.S)
    rows = [row for row in table.splitlines() if row.startswith("| ") and "](" in row]

    missing = []
    for row in rows:
        files = [ROOT / "docs" / link for link in re.findall(r"\]\(([^)#]+)", row)]
        content = "".join(file.read_text() for file in files if file.is_file())
        missing += [name for name in re.findall(r"`(\w+)`", row) if name not in content]
    assert len(rows) >= 12
    assert missing == []
