"""The tools of one folder: look, read, search, and where it is configured write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.builtin.folder import Folder
from guru.agents.tools.function import FunctionTool
from guru.config import FilesToolSettings
from guru.errors import GuruError, InvalidParameter

MAX_LISTED: Final = 500
MAX_SEARCHED: Final = 5000
MAX_FOUND: Final = 100
MAX_LINE: Final = 300
PATH: Final = Meta(description="From the folder on, such as notes/today.md.")


def file_tools(name: str, settings: FilesToolSettings) -> list[FunctionTool]:
    """`NAME_list`, `NAME_read`, `NAME_search`, and with `write` `NAME_write`. Raises `ConfigurationError`."""
    files = Files(Folder(Path(settings.root).expanduser()), settings)
    what = f"the folder {name}. {settings.description}".rstrip(". ") + "."
    tools = [
        FunctionTool(files.list_folder, name=f"{name}_list", description=f"List {what}", effect="read"),
        FunctionTool(files.read_file, name=f"{name}_read", description=f"Read a text file of {what}", effect="read"),
        FunctionTool(
            files.find_text, name=f"{name}_search", description=f"Find a text in files of {what}", effect="read"
        ),
    ]
    if settings.write:
        tools.append(FunctionTool(
            files.write_file, name=f"{name}_write", description=f"Write a text file into {what}", effect="write",
            approval=True,
        ))  # fmt: skip
    return tools


class Files:
    """What the tools do."""

    def __init__(self, folder: Folder, settings: FilesToolSettings) -> None:
        self._folder = folder
        self._most = settings.max_file_kb << 10

    async def list_folder(
        self,
        path: Annotated[str, Meta(description="A folder in it; empty: all of it.")] = "",
        deep: Annotated[bool, Meta(description="Whether folders in it are listed, too.")] = False,
    ) -> ToolResult:
        entries = await asyncio.to_thread(lambda: list(self._folder.walk(path, MAX_LISTED + 1, deep=deep)))
        shown = entries[:MAX_LISTED]
        lines = [f"{item.path}/" if item.size is None else f"{item.path} ({item.size:,} bytes)" for item in shown]
        more = [f"({MAX_LISTED} are shown; list a folder of it for others.)"] if len(entries) > MAX_LISTED else []
        data = [{"path": item.path, "size": item.size} for item in shown]
        return ToolResult(text="\n".join([*lines, *more]) or "It is empty.", data=data)

    async def read_file(
        self,
        path: Annotated[str, PATH],
        start: Annotated[int, Meta(ge=1, description="The first line.")] = 1,
        lines: Annotated[int, Meta(ge=1, le=2000, description="How many lines at most.")] = 500,
    ) -> ToolResult:
        text = as_text(await asyncio.to_thread(self._folder.read, path, self._most), path)
        every = text.splitlines()
        shown = every[start - 1 : start - 1 + lines]
        rest = len(every) - (start - 1) - len(shown)
        more = f"\n({rest:,} more lines: ask with start={start + len(shown)}.)" if rest > 0 and shown else ""
        data = {"path": path, "text": "\n".join(shown), "lines": len(every)}
        return ToolResult(text=("\n".join(shown) or "There is nothing.") + more, data=data)

    async def find_text(
        self,
        text: Annotated[str, Meta(min_length=1, max_length=200, description="It is found in any case of letters.")],
        path: Annotated[str, Meta(description="A folder in it; empty: all of it.")] = "",
    ) -> ToolResult:
        found, left_out = await asyncio.to_thread(self._find, text, path)
        lines = [f"{item['path']}:{item['line']}: {item['text']}" for item in found]
        if len(found) >= MAX_FOUND:
            lines.append(f"(The first {MAX_FOUND} are shown.)")
        if left_out:
            lines.append(f"({left_out:,} files were not searched: they are too large, or no text.)")
        return ToolResult(text="\n".join(lines) or "It is not there.", data=found)

    async def write_file(
        self,
        path: Annotated[str, PATH],
        content: Annotated[str, Meta(description="The whole text of the file.")],
        overwrite: Annotated[bool, Meta(description="Whether a file that is there is replaced.")] = False,
    ) -> ToolResult:
        data = content.encode("utf-8", "replace")
        if len(data) > self._most:
            raise InvalidParameter(
                f"The text has {len(data):,} bytes; the limit is {self._most:,}.", hint="Write less."
            )
        changed = await asyncio.to_thread(self._folder.write, path, data, overwrite=overwrite)
        said = f"{path} is written, {len(data):,} bytes." if changed else f"{path} had that text already."
        return ToolResult(text=said, data={"path": path, "bytes": len(data), "changed": changed})

    def _find(self, text: str, path: str) -> tuple[list[dict[str, Any]], int]:
        wanted = text.lower()
        found: list[dict[str, Any]] = []
        left_out = 0
        for entry in self._folder.walk(path, MAX_SEARCHED, deep=True):
            if entry.size is None:
                continue
            try:
                content = as_text(self._folder.read(entry.path, self._most), entry.path)
            except GuruError:
                left_out += 1
                continue
            for number, line in enumerate(content.splitlines(), start=1):
                if wanted in line.lower():
                    found.append({"path": entry.path, "line": number, "text": line.strip()[:MAX_LINE]})
                    if len(found) >= MAX_FOUND:
                        return found, left_out
        return found, left_out


def as_text(content: bytes, path: str) -> str:
    """Raises `InvalidParameter` for what is no text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if "\0" in text or (content and not text):
        raise InvalidParameter(f"{path!r} is not a text in UTF-8.", hint="Choose another file.", param="path")
    return text
