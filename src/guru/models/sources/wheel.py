"""A file inside a wheel of a Python package index.

The index is the one that pip or uv on this machine is configured with (environment, then `pip.conf`, then pip's own
default), read through the Simple API: JSON (PEP 691), or HTML (PEP 503) where an index has only that.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from guru.errors import DownloadError
from guru.models.sources.remote import Remote

if TYPE_CHECKING:
    from aiohttp import ClientSession

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.2"
INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL",
)  # fmt: skip


def find_installed(package: str, version: str, member: str) -> Path | None:
    """The file of an installed distribution of that version, if there is one."""
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(member)))
    return path if distribution.version == version and path.is_file() else None


async def resolve_wheel(session: ClientSession, package: str, version: str) -> Remote:
    """Find the pure wheel of `package` on the configured indexes, in order. Raises `DownloadError`."""
    indexes = list(configured_indexes())
    problems = []
    for index in indexes:
        page = f"{index.rstrip('/')}/{_normalise(package)}/"
        try:
            files = await _read_page(session, page)
        except DownloadError as error:
            problems.append(error.message)
            continue
        for name, remote in files:
            if _is_wheel(name, package, version):
                return remote
    message = f"No package index has a wheel of {package} {version}."
    detail = f" {' '.join(problems)}" if problems else ""
    raise DownloadError(message + detail, hint="Check the network, or set PIP_INDEX_URL to another index.")


def configured_indexes() -> Iterator[str]:
    """Addresses of the Simple APIs of this machine, the most specific setting first, pip's default last."""
    seen = set()
    for index in (*_from_environment(), *_from_pip_configuration(), *_default_index()):
        if index not in seen:
            seen.add(index)
            yield index


def _from_environment() -> Iterator[str]:
    for variable in INDEX_VARIABLES:
        for value in os.environ.get(variable, "").split():
            # uv allows NAME=URL.
            yield value.partition("=")[2] if re.match(r"[\w-]+=\w+:", value) else value


def _from_pip_configuration() -> Iterator[str]:
    files = [os.environ.get("PIP_CONFIG_FILE"), Path(sys.prefix) / "pip.conf"]
    home = Path.home()
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files += [configuration / "pip" / "pip.conf", home / ".pip" / "pip.conf", Path("/etc/pip.conf")]
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read([file] if file else [], encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("download", "install", "global"):
            for key in ("index-url", "extra-index-url"):
                yield from parser.get(section, key, fallback="").split()


def _default_index() -> Iterator[str]:
    """What pip itself would ask, from the pip beside this Python or from the one that it can install."""
    bundled = [str(path) for path in Path(os.__file__).parent.glob("ensurepip/_bundled/pip-*.whl")]
    sys.path.extend(bundled)
    try:
        yield str(importlib.import_module("pip._internal.models.index").PyPI.simple_url)
    except (ImportError, AttributeError):
        return
    finally:
        for path in bundled:
            sys.path.remove(path)


async def _read_page(session: ClientSession, page: str) -> list[tuple[str, Remote]]:
    """Names and addresses of the files of a package."""
    import aiohttp

    if page.startswith("file:"):
        folder = Path(url2pathname(unquote(urlsplit(page).path)))
        index = folder / "index.html"
        return parse_html(index.read_text(encoding="utf-8"), index.as_uri()) if index.is_file() else []
    try:
        async with session.get(page, headers={"Accept": ACCEPT}) as response:
            if response.status == 404:
                return []
            if response.status != 200:
                raise DownloadError(f"{urlsplit(page).netloc} answered with status {response.status}.")
            body, base = await response.text(), str(response.url)
            return parse_json(body, base) if response.content_type.endswith("json") else parse_html(body, base)
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
        raise DownloadError(f"{urlsplit(page).netloc} cannot be read: {error}.") from None


def parse_json(body: str, base: str) -> list[tuple[str, Remote]]:
    """PEP 691."""
    try:
        return [
            (file["filename"], Remote(
                url=urljoin(base, file["url"]), sha256=file.get("hashes", {}).get("sha256"), size=file.get("size"),
            ))
            for file in json.loads(body)["files"]
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"{urlsplit(base).netloc} sent a page that is no index: {error!r}.") from None


def parse_html(body: str, base: str) -> list[tuple[str, Remote]]:
    """PEP 503: anchors whose fragment may be `sha256=...`."""
    files: list[tuple[str, Remote]] = []

    class Anchors(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            href = dict(attrs).get("href") if tag == "a" else None
            if href:
                url, fragment = urldefrag(urljoin(base, href))
                checksum = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
                files.append((unquote(urlsplit(url).path.rpartition("/")[2]), Remote(url=url, sha256=checksum)))

    Anchors().feed(body)
    return files


def _is_wheel(name: str, package: str, version: str) -> bool:
    if not name.endswith("-none-any.whl"):
        return False
    distribution, found, *_ = name.split("-")
    return _normalise(distribution) == _normalise(package) and found == version


def _normalise(package: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", package).lower()
