"""Finds the files to ingest under the paths of a command, and says what it left out and why."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path

from msgspec import Struct

from guru.errors import InvalidParameter
from guru.knowledge.parse.names import file_reason, folder_reason, is_archive
from guru.knowledge.remote import RemoteFile


class Candidate(Struct, frozen=True):
    """A file to ingest: where it is, and what the document is called."""

    path: Path
    name: str
    source: str
    where: str = ""
    """What messages call it, where that is not its path."""
    kept: bool = False
    """Whether `path` is that of a blob."""
    found: bool = False
    """Whether it was found in a folder, and not asked for by its own name."""

    @property
    def shown(self) -> str:
        return self.where or str(self.path)


class LeftOut(Struct, frozen=True):
    path: str
    error: str
    name: str | None = None
    """Of the document that it would be, or of the archive that holds it."""


class Scan(Struct):
    """What stands under the paths."""

    files: list[Candidate | RemoteFile] = []
    failed: list[LeftOut] = []
    """What was asked for and cannot be read."""
    ignored: list[LeftOut] = []
    """What was found in a folder and is no document: hidden, a program, a link to a folder ..."""
    sources: list[str] = []
    """The paths that could be scanned whole: those whose missing documents may be removed."""

    def take_archives(self) -> list[Candidate]:
        """Take the ZIP archives of this machine out of `files`."""
        archives = [file for file in self.files if isinstance(file, Candidate) and is_archive(file.name)]
        taken = {file.name for file in archives}
        self.files = [file for file in self.files if file.name not in taken]
        return archives

    def add(self, more: Scan) -> None:
        """What was found elsewhere."""
        self.files += more.files
        self.failed += more.failed
        self.ignored += more.ignored
        self.sources += more.sources


def check_paths(paths: list[str]) -> list[str]:
    """The paths as they will be scanned. Raises `InvalidParameter` when one is relative or there is none."""
    if not paths:
        raise InvalidParameter("No path was given.", hint="Name files or folders.", param="paths")
    for path in paths:
        if not Path(path).is_absolute() or "\0" in path:
            raise InvalidParameter(
                f"{path!r} is not an absolute path.", hint="Send paths that begin at the root.", param="paths"
            )
    return list(dict.fromkeys(os.path.normpath(path) for path in paths))


def scan(paths: list[str]) -> Scan:
    """List the files of `paths`, folders with all that is in them, sorted by name. Blocks while it reads folders."""
    found = Scan()
    for path in map(Path, paths):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            found.failed.append(LeftOut(str(path), f"{error.strerror or error}."))
            continue
        if stat.S_ISDIR(mode):
            _scan_folder(path, found)
        elif stat.S_ISREG(mode):
            found.files.append(Candidate(path, _stored_name(path.name), str(path)))
            found.sources.append(str(path))
        else:
            found.failed.append(LeftOut(str(path), "It is neither a file nor a folder."))
    return _without_repeated(found)


def _scan_folder(root: Path, found: Scan) -> None:
    whole = True

    def on_error(error: OSError) -> None:
        nonlocal whole
        whole = False
        found.failed.append(LeftOut(str(error.filename), f"{error.strerror or error}."))

    for folder, folders, files in os.walk(root, onerror=on_error, followlinks=False):
        for name in sorted(folders):
            reason = _folder_reason(Path(folder, name))
            if reason:
                folders.remove(name)
                found.ignored.append(LeftOut(str(Path(folder, name)), reason))
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            reason = _file_reason(path)
            if reason:
                found.ignored.append(LeftOut(str(path), reason))
            else:
                found.files.append(Candidate(path, _stored_name(str(path.relative_to(root))), str(root), found=True))
    if whole:
        found.sources.append(str(root))


def _folder_reason(path: Path) -> str | None:
    if reason := folder_reason(path.name):
        return reason
    return "It is a link to a folder; ingest that folder by its own path." if path.is_symlink() else None


def _file_reason(path: Path) -> str | None:
    if reason := file_reason(path.name):
        return reason
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else "It is not a regular file."
    except OSError as error:
        return f"{error.strerror or error}."


def _stored_name(name: str) -> str:
    """The name in NFC, with `/`; bytes of a file name that are no text are replaced."""
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", readable.replace(os.sep, "/"))


def _without_repeated(found: Scan) -> Scan:
    """A file reached twice is one document; two files with one name are a mistake that must be told."""
    by_name: dict[str, Candidate] = {}
    for file in (file for file in found.files if isinstance(file, Candidate)):
        first = by_name.setdefault(file.name, file)
        if first is not file and not _is_same(first.path, file.path):
            error = f"Its name {file.name!r} is taken by {first.path}. Ingest a folder that holds both."
            found.failed.append(LeftOut(str(file.path), error, file.name))
    found.files = list(by_name.values())
    return found


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
