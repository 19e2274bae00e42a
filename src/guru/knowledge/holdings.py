"""What a collection has already: which files are as they were, which may be replaced, which are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from guru.errors import Forbidden
from guru.knowledge.parse.names import is_archive
from guru.knowledge.remote import RemoteFile
from guru.knowledge.scan import Candidate, LeftOut, Scan
from guru.knowledge.tally import Tally
from guru.knowledge.writer import DocumentWriter, Known
from guru.store.jobs import Job


class Holdings:
    """The documents of a collection as a job found them, and what it is to do to those whose files are the same."""

    def __init__(self, writer: DocumentWriter, recipe: str, job: Job, tally: Tally) -> None:
        """`recipe` is how documents are cut now: what was cut otherwise is not the same."""
        self._writer = writer
        self._recipe = recipe
        self._began = job.created_at
        self._access: list[str] | None = job.arguments.get("access")
        self._prune = bool(job.arguments.get("prune"))
        self._tally = tally
        self._known: dict[str, Known] = {}
        self._lists: dict[str, list[str]] = {}
        self._metadata: dict[str, dict[str, Any]] = {}
        self._gone: set[str] = set()
        self._relisted: list[str] = []
        self._adopted: dict[str | None, list[str]] = {}

    async def load(self, remote: Iterable[str]) -> None:
        """Read what there is; of documents from the `remote` sources also how to see whether they changed."""
        self._known, self._lists = await self._writer.known(), await self._writer.lists()
        if sources := set(remote):
            self._metadata = await self._writer.metadata(sources)

    def check_access(self, name: str) -> None:
        """Before anything of a file is compared: that it is the same would tell what a hidden document says.

        Raises `Forbidden`.
        """
        if (refusal := self._refusal(name)) is not None:
            raise Forbidden(refusal)

    def is_unchanged(self, file: Candidate | RemoteFile, digest: str) -> bool:
        """Whether the document of a file is of these very bytes; it is counted then."""
        known = self._known.get(file.name)
        if known is None or (known.content_hash, known.recipe) != (digest, self._recipe):
            return False
        self._keep(file, known)
        return True

    def clues(self, remote: RemoteFile) -> Mapping[str, Any]:
        """What tells whether a file elsewhere has changed since its document was made; nothing where it is wanted
        anew."""
        known = self._known.get(remote.name)
        return self._metadata.get(remote.name, {}) if known is not None and known.recipe == self._recipe else {}

    def keep(self, remote: RemoteFile) -> None:
        """A file elsewhere has not changed, it is said there."""
        self._keep(remote, self._known[remote.name])

    def note_gone(self, file: RemoteFile, error: str) -> None:
        """Who has it says that it is no longer there: its document is pruned, or the command is told."""
        if file.name in self._known and self._prune:
            self._gone.add(file.name)
            self._tally.expect(-1)
        else:
            self._tally.fail(file, error)

    async def finish(self, found: Scan) -> None:
        """Do to the documents that stayed what is to be done to them, and remove those whose files are gone."""
        for source, names in self._adopted.items():
            await self._writer.adopt(names, source)
        await self._writer.relist(self._relisted)
        if self._prune:
            await self._remove_missing(found)

    def _keep(self, file: Candidate | RemoteFile, known: Known) -> None:
        source = file.source or None
        if known.source != source:
            self._adopted.setdefault(source, []).append(file.name)
        if self._access is not None and self._lists.get(file.name, []) != self._access:
            self._relisted.append(file.name)
        if known.ingested_at >= self._began:  # by this job, before the process died
            self._tally.done += 1
            self._tally.chunks += known.chunks
        else:
            self._tally.skipped += 1
        self._tally.report()

    async def _remove_missing(self, found: Scan) -> None:
        """Remove the documents of the scanned folders that are no longer there. A file that is there and failed keeps
        its document. A folder that is suddenly empty keeps them all: more likely it is not mounted."""
        names = {file.name for file in found.files} - self._gone
        failed = {item.name for item in self._tally.failed if item.name is not None}
        for source in found.sources:
            had = {name for name, known in self._known.items() if known.source == source}
            gone = [name for name in had - names if self._refusal(name) is None and not is_of(name, failed)]
            if gone and not any(file.source == source for file in found.files):
                error = "There is nothing in it, so its documents were kept. If that is meant, delete them."
                self._tally.failed.append(LeftOut(source, error))
                continue
            self._tally.removed += await self._writer.remove(gone)

    def _refusal(self, name: str) -> str | None:
        return self._writer.refusal(self._lists.get(name, []))


def is_of(name: str, failed: set[str]) -> bool:
    """Whether a document, or the archive that it is in, is one of those that failed."""
    return name in failed or any(name.startswith(f"{archive}/") for archive in failed if is_archive(archive))
