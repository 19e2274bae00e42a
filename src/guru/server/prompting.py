"""Builds the library of prompts, and says who changes it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from guru.config import PromptSettings, Settings
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.identity.audit import actor, record
from guru.prompts.folder import Folder
from guru.prompts.library import Editor, Library, Note
from guru.protocols import Embedder
from guru.store.database import Database

FILES = Caller(tenant=LOCAL_TENANT, route="prompts", trace_id="", user="prompt files", role="admin")
"""Who changes a prompt that is read from a file."""


async def open_prompts(
    stack: AsyncExitStack, home: Path, settings: PromptSettings, database: Database, embedder: Embedder, *, watch: bool
) -> tuple[Library, Folder]:
    """The library, and the folder of files that it follows: those of whoever runs this server."""
    library = Library(database, embedder, protected=frozenset(settings.protected))
    folder = Folder(place(home, settings), library, LOCAL_TENANT, note_of(FILES))
    stack.push_async_callback(folder.aclose)
    await folder.open(watch=watch)
    return library, folder


class Following:
    """Takes another folder, and other labels that are protected."""

    def __init__(self, home: Path, library: Library, folder: Folder) -> None:
        self._home, self._library, self._folder = home, library, folder

    def reload(self, settings: Settings) -> None:
        self._library.protected = frozenset(settings.prompts.protected)
        self._folder.follow(place(self._home, settings.prompts))


def place(home: Path, settings: PromptSettings) -> Path:
    """Where the files are; a relative path is one in the home."""
    return home / Path(settings.folder).expanduser() if settings.folder else home / "prompts"


def editor(caller: Caller) -> Editor:
    """Who changes prompts at a door."""
    return Editor(actor(caller), note_of(caller), admin=caller.role == "admin")


def note_of(caller: Caller) -> Note:
    """Writes the audit log in the name of a caller."""

    def note(connection: Connection, action: str, subject: str, *, before: Any, after: Any) -> None:
        record(connection, caller, action, subject, before=before, after=after)

    return note
