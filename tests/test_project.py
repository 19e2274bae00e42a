"""What holds for the repository as a whole."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".js", ".mjs", ".css", ".html", ".json", ".yml", ""}
# Where packages and models come from is the machine's business, and so are its folders. The names are
# put together here so that this file does not hold them.
PIECES = [("/wor", "k/"), ("pypi", ".org"), ("files.python", "hosted"), ("/opt/", "pypi"), ("/opt/", "wheels")]
FORBIDDEN = ["".join(pieces) for pieces in PIECES]


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def name_of(path):
    return str(path.relative_to(ROOT))


def test_no_module_is_longer_than_600_lines():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_every_module_says_what_it_is():
    silent = [name_of(path) for path in SOURCES if ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None]
    assert silent == []


def test_nothing_is_left_to_be_done_later():
    marks = re.compile(r"\b(TODO|FIXME)\b|raise NotImplementedError")
    assert [name_of(path) for path in SOURCES if marks.search(path.read_text("utf-8"))] == []


def test_nothing_names_this_machine_or_a_package_registry():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT_SUFFIXES or not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(name_of(path), word) for word in FORBIDDEN if word in text]
    assert found == []


def test_constraints_are_exact_versions_that_pip_and_uv_both_read():
    line = re.compile(r"[a-z0-9][a-z0-9._-]*==[\w.!+]+( ; .+)?")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [text for text in lines if not line.fullmatch(text)] == []


def test_every_dependency_is_locked():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    names = {re.match(r"[\w.-]+", text).group().lower() for group in groups for text in group}
    locked = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert names <= locked


def test_help_imports_nothing_heavy():
    code = "import sys; from guru.cli.main import cli; cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"rich", "aiohttp", "numpy", "sqlalchemy", "starlette", "onnxruntime", "asyncio"}
    assert heavy & set(loaded) == set()


def test_links_between_the_documents_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert [(name_of(page), target) for page, target in links if not (page.parent / target).exists()] == []
