"""Blobs: the original files, by the SHA-256 of their content, so that one that is there is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from guru.errors import NotFound
from guru.store.durable import make_durable

DIGEST = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class BlobStore:
    """Files under `home/blobs/ab/abcdef...`. Writing the same content twice keeps one copy."""

    def __init__(self, home: Path, folder: str | None = None) -> None:
        """`folder` is another place for them, such as one that several servers share."""
        self.root = Path(folder).expanduser() if folder else home / "blobs"

    def put(self, data: bytes) -> str:
        """Keep `data`; returns its SHA-256 in hex. The file is whole or absent, whenever the power goes."""
        return self.put_all([data])[0]

    def put_all(self, contents: Sequence[bytes]) -> list[str]:
        """As `put`, for contents that are made durable together, which takes little longer than for one."""
        digests = [hashlib.sha256(data).hexdigest() for data in contents]
        with _Unnamed(self.root) as files:
            for digest, data in dict(zip(digests, contents, strict=True)).items():
                path = self._place(digest)
                if path.exists():
                    path.touch()  # what was just asked for is not removed as unused
                else:
                    files.write(path, data)
            files.name()
        return digests

    def writer(self) -> BlobWriter:
        """For content that comes in pieces."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return BlobWriter(self)

    def remove_unfinished(self, seconds: float) -> None:
        """Remove what a process that was killed left unfinished, so many seconds ago or more."""
        for left in self.root.glob(".*"):
            with contextlib.suppress(FileNotFoundError):  # it has its name by now
                if left.is_file() and time.time() - left.stat().st_mtime > seconds:
                    left.unlink()

    def path(self, digest: str) -> Path:
        """The file that holds `digest`. Raises `NotFound`."""
        path = self._place(digest)
        if not path.is_file():
            raise NotFound(f"The original file {digest[:12]} is no longer here.", hint="Ingest the document again.")
        return path

    def remove(self, digest: str) -> None:
        """Forget a blob; the caller knows that no row needs it."""
        self._place(digest).unlink(missing_ok=True)

    def place(self, digest: str) -> Path:
        """Where the file of a digest belongs, in a folder that is there."""
        path = self._place(digest)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def _place(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"not a SHA-256: {digest!r}")
        return self.root / digest[:2] / digest


class _Unnamed:
    """Files that have no names of their own yet. Use it in a `with`: what was not named by its end is gone. Blocks."""

    def __init__(self, folder: Path) -> None:
        """They are made in one `folder`, which is faster than in many."""
        self._folder = folder
        self._files: dict[Path, Path] = {}

    def __enter__(self) -> _Unnamed:
        return self

    def __exit__(self, *_: object) -> None:
        for unnamed in self._files:
            unnamed.unlink(missing_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """Write what is to be at `path`."""
        unnamed = self._folder / f".{secrets.token_hex(8)}"
        self._files[unnamed] = path
        try:
            descriptor = os.open(unnamed, _NEW, 0o600)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(unnamed, _NEW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)

    def name(self) -> None:
        """Give all of them their names; they are durable before."""
        make_durable(list(self._files))
        while self._files:
            unnamed, path = next(iter(self._files.items()))
            try:
                unnamed.replace(path)
            except FileNotFoundError:
                path.parent.mkdir(exist_ok=True, mode=0o700)
                unnamed.replace(path)
            del self._files[unnamed]


class BlobWriter:
    """A blob while it is written. Use it in a `with`: what is not kept by its end is gone. Blocks."""

    def __init__(self, blobs: BlobStore) -> None:
        self.size = 0
        self._blobs = blobs
        self._digest = hashlib.sha256()
        self._file = tempfile.NamedTemporaryFile(dir=blobs.root, prefix=".", delete=False)  # noqa: SIM115

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self._file.write(data)

    def keep(self) -> str:
        """Give the blob its name: returns its SHA-256 in hex. Durable when it does."""
        self._file.flush()
        make_durable([Path(self._file.name)])
        digest = self._digest.hexdigest()
        Path(self._file.name).replace(self._blobs.place(digest))
        return digest


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
