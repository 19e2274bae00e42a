"""A folder that cannot be left: every step of a path is opened from the folder before it, and no link is followed.

So there is no moment between looking at a path and using it in which something can be put in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from guru.errors import ConfigurationError, GuruError, InvalidParameter, NotFound

MAX_PATH: Final = 1000
MAX_DEPTH: Final = 20
READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
TREE: Final = READ | getattr(os, "O_DIRECTORY", 0)
TEMPORARY: Final = ".guru-writing-"


class Entry(Struct):
    path: str
    """From the root."""
    size: int | None
    """Bytes; None for a folder."""


class Folder:
    """Everything is done by file descriptors. Use it in a thread."""

    def __init__(self, root: Path) -> None:
        """Raises `ConfigurationError` for what is no folder, and on systems that cannot open from a folder."""
        if os.open not in os.supports_dir_fd:
            raise ConfigurationError("Folders cannot be opened safely on this system.", hint="Take [tools.files] out.")
        if not root.is_dir():
            raise ConfigurationError(f"There is no folder {root}.", hint="Correct root in [tools.files].")
        self._root = root.resolve()

    def read(self, path: str, most: int) -> bytes:
        """A regular file. Raises `NotFound`, and `InvalidParameter` for one that is too large or none."""
        parts = split(path)
        with self._parent(parts, path) as (folder, name):
            descriptor = opened(name, READ, folder, path)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise InvalidParameter(f"{path!r} is not a file.", hint="List the folder.", param="path")
            if found.st_size > most:
                raise InvalidParameter(
                    f"{path!r} has {found.st_size:,} bytes; the limit is {most:,}.",
                    hint="Choose another.",
                    param="path",
                )
            return file.read(most + 1)[:most]

    def write(self, path: str, content: bytes, *, overwrite: bool) -> bool:
        """Put a file there as a whole or not at all; folders on the way are made. False: it was there like that.

        Raises `InvalidParameter` for one that is there and is not to be overwritten.
        """
        parts = split(path)
        with self._parent(parts, path, make=True) as (folder, name):
            before = self._content(name, folder, len(content))
            if before == content:
                return False
            if before is not None and not overwrite:
                raise InvalidParameter(f"{path!r} is there already.", hint="Say overwrite, or choose another name.")
            temporary = TEMPORARY + secrets.token_hex(8)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o644, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
        return True

    def walk(self, path: str, most: int, *, deep: bool) -> Iterator[Entry]:
        """What is in a folder, by name, at most `most` of it; `deep`: in those under it, too. Links are left out."""
        top = split(path) if path.strip("/") not in ("", ".") else []
        waiting = [top]
        while waiting and most > 0:
            parts = waiting.pop()
            try:
                with self._open(parts, path) as folder:
                    entries = self._entries(parts, folder)
            except GuruError:
                if parts == top:
                    raise
                continue  # one that may not be looked into, or has gone meanwhile
            yield from entries[:most]
            most -= len(entries)
            if deep and len(parts) < MAX_DEPTH:
                waiting += [entry.path.split("/") for entry in reversed(entries) if entry.size is None]

    def _entries(self, parts: list[str], folder: int) -> list[Entry]:
        found: list[Entry] = []
        for name in sorted(os.listdir(folder)):
            with contextlib.suppress(OSError):
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                is_file = stat.S_ISREG(state.st_mode)
                if (is_file or stat.S_ISDIR(state.st_mode)) and not name.startswith(TEMPORARY):
                    found.append(Entry("/".join([*parts, name]), state.st_size if is_file else None))
        return found

    def _content(self, name: str, folder: int, size: int) -> bytes | None:
        """What a file has now; None where there is none. Raises `InvalidParameter` for what is none."""
        try:
            descriptor = opened(name, READ, folder, name)
        except NotFound:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidParameter(f"{name!r} is not a file.", hint="Choose another name.", param="path")
            return file.read(size + 1)

    @contextmanager
    def _parent(self, parts: list[str], path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        with self._open(parts[:-1], path, make=make) as folder:
            yield folder, parts[-1]

    @contextmanager
    def _open(self, parts: list[str], path: str, *, make: bool = False) -> Iterator[int]:
        """The folder at the end of a way, open."""
        folder = os.open(self._root, TREE)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=folder)
                inner = opened(part, TREE, folder, path)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


def split(path: str) -> list[str]:
    """The steps of a path from the root. Raises `InvalidParameter` for one that goes anywhere else."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    absolute = path.startswith("/") or (len(path) > 1 and path[1] == ":")
    odd = any(part == ".." or "\0" in part or part.startswith(TEMPORARY) for part in parts)
    if not parts or absolute or odd or len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise InvalidParameter(
            f"{path[:100]!r} is no path in this folder.",
            hint="Write it from the folder on, without `..`.",
            param="path",
        )
    return parts


def opened(name: str, flags: int, folder: int, path: str) -> int:
    """A descriptor. Raises `NotFound` and `InvalidParameter`."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise NotFound(f"There is no {path!r}.", hint="List the folder to see what there is.", param="path") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise InvalidParameter(f"{path!r} goes through a link or a file.", hint="List the folder.") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENAMETOOLONG, errno.EISDIR, errno.EINVAL):
            raise InvalidParameter(f"{path!r} cannot be opened: {error.strerror}.", hint="Choose another.") from None
        raise
