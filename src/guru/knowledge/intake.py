"""From files to documents that are cut: read, hashed, compared with what there is, kept, parsed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from guru.errors import DownloadError, Forbidden, GuruError, InvalidParameter, NotFound, UnreadableDocument
from guru.knowledge import small
from guru.knowledge.access import own_access
from guru.knowledge.batches import Batches
from guru.knowledge.holdings import Holdings
from guru.knowledge.parse import ParsedDocument
from guru.knowledge.parse.evident import parse_evident
from guru.knowledge.parse.ocr import NoText
from guru.knowledge.prepare import File, Prepared, Preparer
from guru.knowledge.remote import Gone, RemoteFile
from guru.knowledge.scan import Candidate
from guru.knowledge.tally import Tally, reason
from guru.knowledge.workers import Parser
from guru.store.blobs import BlobStore, hash_file

AT_ONCE: Final = 4
"""Files, or groups of small ones, that are hashed, kept and parsed at the same time."""
REMEMBERED: Final = 100_000
"""Pictures without text."""

Textless = dict[str, NoText]
"""Pictures by their digest in which no text was found: not looked at again every time that a folder is."""


class Intake:
    """Prepares the files of one job."""

    def __init__(
        self, blobs: BlobStore, parser: Parser, preparer: Preparer, holdings: Holdings, tally: Tally,
        *, textless: Textless, max_bytes: int, at_once: int = AT_ONCE,
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._parser = parser
        self._preparer = preparer
        self._holdings = holdings
        self._tally = tally
        self._textless = textless
        self._max_bytes = max_bytes
        self._at_once = max(AT_ONCE, at_once)

    async def prepare_all(self, files: Sequence[Candidate | RemoteFile], batches: Batches) -> None:
        """Put into `batches` what is new or changed. Some files are on their way at once, so that the disk, the parser
        and this process do not wait for each other."""
        waiting = iter(await asyncio.to_thread(small.grouped, files))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._prepare_some(waiting, batches))
        await batches.end()

    async def _prepare_some(self, groups: Iterator[Sequence[Candidate | RemoteFile]], batches: Batches) -> None:
        for group in groups:
            self._tally.report(current=group[0].name)
            found = await self._prepare_group(group)
            if found:
                await batches.put(found)

    async def _prepare_group(self, group: Sequence[Candidate | RemoteFile]) -> Sequence[Prepared]:
        if len(group) > 1:
            return await self._prepare_small([file for file in group if isinstance(file, Candidate)])
        (file,) = group
        try:
            self._holdings.check_access(file.name)
            found = await (self._prepare_remote(file) if isinstance(file, RemoteFile) else self._prepare_file(file))
        except Gone as error:
            assert isinstance(file, RemoteFile)
            self._holdings.note_gone(file, str(error))
        except (UnreadableDocument, NotFound, Forbidden, DownloadError, OSError) as error:
            self._tally.fail(file, reason(error))
        else:
            return [found] if found is not None else []
        return []

    async def _prepare_file(self, candidate: Candidate) -> Prepared | None:
        size = await asyncio.to_thread(check_size, candidate, self._max_bytes, "max_file_mb")
        digest = await asyncio.to_thread(hash_file, candidate.path)
        if not self._is_new(candidate, digest):
            return None
        if not candidate.kept:
            # What is parsed and what is hashed are the same bytes, even when the file changes meanwhile.
            digest, size = await asyncio.to_thread(self._keep, candidate.path)
        file = File(name=candidate.name, digest=digest, size=size, source=candidate.source or None)
        try:
            document = await self._parser.parse(self._blobs.path(digest), candidate.name)
        except NoText as error:
            self._note_textless(digest, error)
            raise
        return await asyncio.to_thread(self._cut, file, document)

    async def _prepare_small(self, candidates: Sequence[Candidate]) -> list[Prepared]:
        """The same for some small files, at each step together."""
        contents, unread = await asyncio.to_thread(small.read, filter(self._may_read, candidates))
        for candidate, error in unread:
            self._tally.fail(candidate, reason(error))
        new = [content for content in contents if self._may_be_new(content)]
        files = [
            File(name=c.candidate.name, digest=c.digest, size=len(c.data), source=c.candidate.source or None)
            for c in new
        ]
        found = await asyncio.to_thread(self._keep_and_cut, files, new)
        left = [place for place, prepared in enumerate(found) if prepared is None]
        parsed = await self._parser.parse_all([(self._blobs.path(files[i].digest), files[i].name) for i in left])
        for place, document in zip(left, parsed, strict=True):
            if isinstance(document, NoText):
                self._note_textless(files[place].digest, document)
        cut = await asyncio.to_thread(self._cut_all, [files[place] for place in left], parsed) if left else []
        for place, each in zip(left, cut, strict=True):
            found[place] = each
        for content, prepared in zip(new, found, strict=True):
            if isinstance(prepared, GuruError):
                self._tally.fail(content.candidate, str(prepared))
        return [prepared for prepared in found if isinstance(prepared, Prepared)]

    async def _prepare_remote(self, remote: RemoteFile) -> Prepared | None:
        fetched = await remote.fetch(dict(self._holdings.clues(remote)))
        if fetched is None:
            self._holdings.keep(remote)
            return None
        if self._holdings.is_unchanged(remote, fetched.digest):
            return None
        file = File(name=remote.name, digest=fetched.digest, size=fetched.size, source=remote.source)
        document = await self._parser.parse(self._blobs.path(fetched.digest), fetched.filename, fetched.charset)
        document.metadata |= fetched.metadata
        document.modified = document.modified or fetched.modified
        return await asyncio.to_thread(self._cut, file, document)

    def _may_read(self, candidate: Candidate) -> bool:
        try:
            self._holdings.check_access(candidate.name)
        except Forbidden as error:
            self._tally.fail(candidate, str(error))
            return False
        return True

    def _may_be_new(self, content: small.Content) -> bool:
        try:
            return self._is_new(content.candidate, content.digest)
        except NoText as error:
            self._tally.fail(content.candidate, str(error))
            return False

    def _is_new(self, candidate: Candidate, digest: str) -> bool:
        """Raises `NoText` for a picture in which none was found before."""
        if self._holdings.is_unchanged(candidate, digest):
            return False
        if candidate.found and (error := self._textless.get(digest)) is not None:
            raise NoText(error.message, hint=error.hint)
        return True

    def _note_textless(self, digest: str, error: NoText) -> None:
        if len(self._textless) >= REMEMBERED:
            self._textless.clear()
        self._textless[digest] = error

    def _keep(self, path: Path) -> tuple[str, int]:
        data = path.read_bytes()
        return self._blobs.put(data), len(data)

    def _keep_and_cut(
        self, files: Sequence[File], contents: Sequence[small.Content]
    ) -> list[Prepared | GuruError | None]:
        """Keep the contents, and cut those that are read right here; None for those that want a parser."""
        self._blobs.put_all([content.data for content in contents if not content.candidate.kept])
        return [
            None if (document := parse_evident(content.data, file.name)) is None else self._cut_or_say(file, document)
            for file, content in zip(files, contents, strict=True)
        ]

    def _cut_all(
        self, files: Sequence[File], parsed: Sequence[ParsedDocument | GuruError]
    ) -> list[Prepared | GuruError]:
        return [
            self._cut_or_say(file, document) if isinstance(document, ParsedDocument) else document
            for file, document in zip(files, parsed, strict=True)
        ]

    def _cut_or_say(self, file: File, document: ParsedDocument) -> Prepared | GuruError:
        try:
            return self._cut(file, document)
        except UnreadableDocument as error:
            return error

    def _cut(self, file: File, document: ParsedDocument) -> Prepared:
        try:
            own_access(document.metadata)
        except InvalidParameter as error:  # who was meant is not guessed
            raise UnreadableDocument(f"Its `guru_access` is wrong. {error.message}", hint=error.hint) from None
        prepared = self._preparer.prepare(file, document)
        if not prepared.chunks:
            raise UnreadableDocument("The file holds no text.", hint="Check that it is the file that you meant.")
        return prepared


def check_size(candidate: Candidate, most: int, setting: str) -> int:
    """The size of a file in bytes. Raises `UnreadableDocument` for more than `most`. Blocks."""
    size = candidate.path.stat().st_size
    if size > most:
        raise UnreadableDocument(
            f"The file has {size / 1e6:,.0f} MB; the limit is {most / 1e6:,.0f} MB.",
            hint=f"Split it, or raise [knowledge] {setting}.",
        )
    return size
