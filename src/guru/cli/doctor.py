"""`guru doctor`: what could be wrong with this machine and this home, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
import socket
import sqlite3
import stat
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from msgspec import Struct, structs

from guru.cli.options import asynchronous, home_option, json_option
from guru.config import Settings, load_settings
from guru.errors import GuruError

if TYPE_CHECKING:
    from guru.cli.client import Client

State = Literal["ok", "warning", "failed"]
GIGABYTE = 1e9
ENOUGH_MEMORY = 1.0 * GIGABYTE
ENOUGH_DISK = 1.0 * GIGABYTE


class Finding(Struct):
    """The result of one check; `advice` says what to do when it is not ok."""

    check: str
    state: State
    detail: str
    advice: str = ""


@click.command
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="Read FILE, not guru.toml.")
@home_option
@json_option
@asynchronous
async def command(file: Path | None, home: Path, as_json: bool) -> None:
    """Check this machine and this home, and say what to do. Exit status 1 when something is broken."""
    from guru.cli.output import print_json

    findings = []
    async for finding in examine(file, home):
        findings.append(finding)
        if not as_json:
            show(finding)
    if as_json:
        print_json({"findings": [structs.asdict(finding) for finding in findings]})
    if any(finding.state == "failed" for finding in findings):
        raise SystemExit(1)


def show(finding: Finding) -> None:
    color = {"ok": "green", "warning": "yellow", "failed": "red"}[finding.state]
    click.echo(f"{click.style(f'{finding.state:<8}', fg=color)}{finding.check:<15}{finding.detail}")
    if finding.advice:
        click.echo(f"{'':23}{finding.advice}")


async def examine(file: Path | None, home: Path) -> AsyncIterator[Finding]:
    """Run every check, one after the other. Those that need a sound configuration come after it."""
    yield check_python()
    yield check_memory()
    yield check_disk(home)
    yield check_permissions(home)
    database = await asyncio.to_thread(check_database, home)
    yield database
    for finding in await asyncio.to_thread(check_models, home):
        yield finding
    try:
        settings = load_settings(file, home=home)
    except GuruError as error:
        yield Finding("configuration", "failed", error.message, error.hint or "")
        return
    yield Finding("configuration", "ok", "valid")
    yield await asyncio.to_thread(check_ocr, settings.knowledge.ocr_languages)
    if settings.store.url:
        store = await check_store(settings)
        yield store
        if store.state == "failed":
            return
        yield await check_index(settings)
    async for finding in check_vector_stores(settings):
        yield finding
    yield await check_port(home, settings)
    if database.state == "failed":
        return
    from guru.cli.client import connect

    try:
        async with connect(home) as client:
            yield await check_chat(client)
            yield await check_embedding(client)
    except GuruError as error:
        yield Finding("server", "failed", error.message, error.hint or "")


def check_python() -> Finding:
    """Which one runs; one that is too old could not have come this far."""
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def check_memory() -> Finding:
    import psutil

    available = psutil.virtual_memory().available
    detail = f"{available / GIGABYTE:.1f} GB are available"
    if available < ENOUGH_MEMORY:
        advice = "The default models need 0.6 GB; close something, or expect swapping."
        return Finding("memory", "warning", detail, advice)
    return Finding("memory", "ok", detail)


def check_ocr(languages: list[str]) -> Finding:
    """Whether text in pictures can be read, in the languages of the configuration. Nobody has to want that."""
    from guru.knowledge.parse.ocr import INSTALL, can_recognize, installed_languages

    if not languages:
        return Finding("ocr", "ok", "turned off by [knowledge] ocr_languages")
    if not can_recognize():
        return Finding("ocr", "ok", "Tesseract is not installed: pictures and scans are not read", INSTALL)
    missing = sorted(set(languages) - set(installed_languages()))
    if missing:
        advice = "Install its data, or correct [knowledge] ocr_languages."
        return Finding("ocr", "warning", f"Tesseract has no {', '.join(missing)}", advice)
    return Finding("ocr", "ok", f"Tesseract reads {', '.join(languages)}")


def check_disk(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / GIGABYTE:.1f} GB are free at {place}"
    if free < ENOUGH_DISK:
        advice = "Free some, or put the home on another disk with --home or GURU_HOME."
        return Finding("disk", "warning", detail, advice)
    return Finding("disk", "ok", detail)


def check_permissions(home: Path) -> Finding:
    if not home.exists():
        return Finding("home", "ok", f"{home} is not there yet; it is made when it is needed")
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        return Finding("home", "warning", f"{home} can be read by others (mode {mode:o})", f"chmod 700 {home}")
    try:
        probe = home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("home", "failed", f"{home} cannot be written: {error.strerror}", f"chown it to you: {home}")
    return Finding("home", "ok", f"{home}, readable by its owner only")


def check_database(home: Path) -> Finding:
    path = home / "guru.db"
    if not path.exists():
        return Finding("database", "ok", "not there yet; it is made when it is needed")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            problems = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        problems, broken = [str(error)], []
    if problems != ["ok"] or broken:
        detail = "; ".join(problems[:3]) if problems != ["ok"] else f"{len(broken)} rows point to nothing"
        return Finding("database", "failed", detail, f"Move {path} away and ingest again, or restore a copy of it.")
    return Finding("database", "ok", f"sound ({path.stat().st_size / 1e6:.1f} MB)")


async def check_store(settings: Settings) -> Finding:
    """Ask the database that the configuration names."""
    from guru.gateway.check import check_store as look

    found = await look(settings.store)
    return Finding("store", "ok" if found.level == "ok" else "failed", found.message, found.hint or "")


async def check_vector_stores(settings: Settings) -> AsyncIterator[Finding]:
    """Ask the stores that have vectors. A search goes on without them, only slower."""
    from guru.gateway.check import PATIENCE
    from guru.gateway.check_stores import check_vectors, named_stores

    for kind in named_stores(settings.knowledge):
        found = await check_vectors(kind, settings.knowledge, connect=True, patience=PATIENCE)
        yield Finding(kind, "ok" if found.level == "ok" else "warning", found.message, found.hint or "")


async def check_index(settings: Settings) -> Finding:
    """What collections are searched in, where their rows are in PostgreSQL."""
    from guru.knowledge.index.own import look_for_pgvector
    from guru.store.database import Database

    database = Database(settings.store.url or "", connections=settings.store.connections)
    try:
        reason = await look_for_pgvector(database)
    finally:
        await database.close()
    if settings.store.index == "memory":
        return Finding("index", "ok", 'collections are searched in memory: [store] index is "memory"')
    if reason is None:
        return Finding("index", "ok", "collections are searched in PostgreSQL, by pgvector")
    state: State = "failed" if settings.store.index == "pgvector" else "ok"
    return Finding("index", state, f"collections are searched in memory: {reason.message}", reason.hint or "")


def check_models(home: Path) -> list[Finding]:
    """Compare the files of models with the checksums that were written down when they came."""
    from guru.models.local.embedder import FOLDER
    from guru.models.sources.download import hash_file

    known = {file.with_suffix(".gguf"): json.loads(file.read_bytes())["sha256"] for file in home.glob("models/*.json")}
    damaged = [file.stem for file, digest in known.items() if file.is_file() and hash_file(file) != digest]
    findings = [
        Finding("model files", "failed", f"{name} is damaged", f"guru models remove {name} && guru models pull {name}")
        for name in damaged
    ]
    sums = (line.split() for line in (FOLDER / "SHA256SUMS").read_text(encoding="ascii").splitlines())
    if not all(hash_file(FOLDER / name) == digest for digest, name in sums):
        findings.append(Finding("model files", "failed", "the embedder is damaged", "Install Guru again."))
    return findings or [Finding("model files", "ok", f"{len(known)} pulled, all as they came")]


async def check_port(home: Path, settings: Settings) -> Finding:
    from guru.cli.client import live_server

    if url := await live_server(home):
        return Finding("server", "ok", f"runs at {url}")
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = "Stop the program that uses it, or start with another one: guru up --port 8081"
            return Finding("server", "warning", f"port {port} on {host} cannot be used: {error.strerror}", advice)
    return Finding("server", "ok", f"does not run; port {port} is free")


async def check_chat(client: Client) -> Finding:
    """Start the worker of the default model and let it say a word."""
    from guru.cli.models import find_model

    model = await find_model(client, "default")
    if model["status"] == "not installed":
        return Finding(
            "chat model", "warning", f"{model['name']} is not installed", f"guru models pull {model['name']}"
        )
    request = {"model": "default", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 2}
    began = time.perf_counter()
    try:
        await client.post("/v1/chat/completions", request)
    except GuruError as error:
        advice = error.hint or f"guru models remove {model['name']} && guru models pull {model['name']}"
        return Finding("chat model", "failed", error.message, advice)
    return Finding("chat model", "ok", f"{model['name']} answers ({time.perf_counter() - began:.1f} s)")


async def check_embedding(client: Client) -> Finding:
    """Let the default embedder make one vector."""
    try:
        answer = await client.post("/v1/embeddings", {"model": "embedding", "input": "one"})
    except GuruError as error:
        return Finding("embedder", "failed", error.message, error.hint or "Install Guru again: its files are damaged.")
    return Finding("embedder", "ok", f"{answer['model']}, {len(answer['data'][0]['embedding'])} dimensions")
