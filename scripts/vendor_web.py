"""Vendor the third-party modules of the web pages, from the packages named in `MODULES`.

    python scripts/vendor_web.py            download, verify, write `static/vendor/` and `vendor.json`
    python scripts/vendor_web.py --check    verify the committed files against `vendor.json`; needs no network

A browser resolves only paths, so the names that a module imports (`lit-html`) are rewritten to the files beside it.
Nothing else is changed. Downloading needs npm, which is asked for exact versions and verified by their sha512.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src/guru/web/static/vendor"
LOCK = VENDOR / "vendor.json"
# fmt: off
LANGUAGES = (
    "bash", "c", "cpp", "csharp", "css", "diff", "dockerfile", "go", "http", "ini", "java", "javascript", "json",
    "kotlin", "makefile", "markdown", "php", "plaintext", "python", "ruby", "rust", "shell", "sql", "swift",
    "typescript", "xml", "yaml",
)
# fmt: on


@dataclass(frozen=True)
class Module:
    """One package: `files` maps a path in the package to the path that it gets under `vendor/`."""

    package: str
    version: str
    licence: str
    integrity: str
    """`sha512-` and the base64 digest of the package, as the registry publishes it."""
    files: dict[str, str]


MODULES = (
    Module(
        "@lit/reactive-element",
        "2.1.2",
        "BSD-3-Clause",
        "sha512-pbCDiVMnne1lYUIaYNN5wrwQXDtHaYtg7YEFPeW+hws6U47WeFvISGUWekPGKWOP1ygrs0ef0o1VJMk1exos5A==",
        {
            "reactive-element.js": "lit/reactive-element.js",
            "css-tag.js": "lit/css-tag.js",
            "LICENSE": "lit/LICENSE",
        },
    ),
    Module(
        "lit-html",
        "3.3.3",
        "BSD-3-Clause",
        "sha512-el8M6jK2o3RXBnrSHX3ZKrsN8zEV63pSExTO1wYJz7QndGYZ8353e2a5PPX+qHe2aGayfnchQmkAojaWAREOIA==",
        {
            "lit-html.js": "lit/lit-html.js",
            "directive.js": "lit/directive.js",
            "directive-helpers.js": "lit/directive-helpers.js",
            "directives/repeat.js": "lit/repeat.js",
            "directives/live.js": "lit/live.js",
        },
    ),
    Module(
        "lit-element",
        "4.2.2",
        "BSD-3-Clause",
        "sha512-aFKhNToWxoyhkNDmWZwEva2SlQia+jfG0fjIWV//YeTaWrVnOxD89dPKfigCUspXFmjzOEUQpOkejH5Ly6sG0w==",
        {"lit-element.js": "lit/lit-element.js"},
    ),
    Module(
        "marked",
        "18.2.1",
        "MIT",
        "sha512-ii4bxCTCqqwpT86XZWgJNs+ZnAIZksmLGYMViWA7PDIXYIeNo1x6cDdX3JOip9NM/cI6p8z57FxliACboTruMA==",
        {"lib/marked.esm.js": "marked/marked.js", "LICENSE": "marked/LICENSE"},
    ),
    Module(
        "dompurify",
        "3.4.18",
        "MPL-2.0 OR Apache-2.0",
        "sha512-ofe3wI/uNm68HInABYFJYqQxRw1EaKAjNdrFVKqjUY+UZurvNd2L/HuQe097s/4RivWiZyP6tT7aoT8atjfhwg==",
        {"dist/purify.es.mjs": "dompurify/purify.js", "LICENSE": "dompurify/LICENSE"},
    ),
    Module(
        "@highlightjs/cdn-assets",
        "11.12.0",
        "BSD-3-Clause",
        "sha512-KvOKXODaiFmId9xaq3xc5xCL66wVLUuOngDbO9B/kewbFTqdGbn2nJxNhN3H5R1cgDTVj6R8vH0zgiNDEGjpDw==",
        {
            "es/core.min.js": "highlight/core.js",
            "LICENSE": "highlight/LICENSE",
            **{f"es/languages/{name}.min.js": f"highlight/languages/{name}.js" for name in LANGUAGES},
        },
    ),
)

# What the modules above import of each other, and the file that answers to it here.
SPECIFIERS = {
    "@lit/reactive-element": "./reactive-element.js",
    "lit-html": "./lit-html.js",
    "../lit-html.js": "./lit-html.js",
    "../directive.js": "./directive.js",
    "../directive-helpers.js": "./directive-helpers.js",
}


def download(module: Module, folder: Path) -> Path:
    """Fetch the package into `folder` and verify it. Exits when it is not the one that was pinned."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{module.package}@{module.version}"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    package = folder / name
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != module.integrity:
        sys.exit(f"{module.package}@{module.version} is not what was pinned: its digest is sha512-{digest}")
    return package


def resolve_imports(source: str) -> str:
    """Rewrite imports by name to imports by path, and drop the reference to a source map that is not vendored."""

    def path(match: re.Match[str]) -> str:
        return f'{match[1]}"{SPECIFIERS.get(match[2], match[2])}"'

    source = re.sub(r'\b((?:from|import)\s*)"([^"]+)"', path, source)
    return re.sub(r"\n?//# sourceMappingURL=\S+\s*$", "\n", source)


def vendor(module: Module, folder: Path) -> dict[str, str]:
    """Write the files of one package; returns their sha256 by path."""
    checksums = {}
    with tarfile.open(download(module, folder)) as archive:
        for inside, outside in module.files.items():
            member = archive.extractfile(f"package/{inside}")
            if member is None:
                sys.exit(f"{module.package}@{module.version} has no file {inside}")
            data = member.read()
            if outside.endswith(".js"):
                data = resolve_imports(data.decode()).encode()
            target = VENDOR / outside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            checksums[outside] = hashlib.sha256(data).hexdigest()
    return checksums


def write() -> None:
    lock = {}
    with tempfile.TemporaryDirectory() as folder:
        for module in MODULES:
            files = vendor(module, Path(folder))
            lock[module.package] = {
                "version": module.version,
                "licence": module.licence,
                "integrity": module.integrity,
                "files": files,
            }
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


def check() -> None:
    """Exit with a message when a vendored file is missing or differs from `vendor.json`."""
    wrong = [
        name
        for package in json.loads(LOCK.read_text()).values()
        for name, checksum in package["files"].items()
        if not (VENDOR / name).is_file() or hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() != checksum
    ]
    if wrong:
        sys.exit(f"Not as vendored: {', '.join(wrong)}. Run `python scripts/vendor_web.py`; do not edit them by hand.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="verify the committed files")
    check() if parser.parse_args().check else write()
