"""A document as summaries read it: its passages, and its sentences with their vectors, as they are stored."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.around.extract import Sentence
from guru.knowledge.around.summary import Source
from guru.knowledge.documents import find_document
from guru.knowledge.rows import dimension_of, read_vectors, unpack_sentences, unpack_vectors
from guru.knowledge.vectors import SENTENCES_OF, VECTOR
from guru.store.scope import Scope
from guru.store.tables import chunks, collections

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Read(Struct, frozen=True):
    """A document."""

    id: str
    name: str
    title: str
    model: str
    """That the vectors are of."""
    passages: list[Source]
    """Each a whole passage, in the order of the text; they overlap as they were cut."""
    vectors: NDArray[Any]
    """Of the passages, float32."""
    sentences: list[Sentence]
    """Each once, in the order of the text."""
    sentence_vectors: NDArray[Any]

    def digest(self, *recipe: object) -> str:
        """Of the text, and of what is done with it."""
        made = blake2b(repr(recipe).encode(), digest_size=16)
        for passage in self.passages:
            made.update(f"{passage.start}\0{passage.quote}\0".encode("utf-8", "surrogatepass"))
        return made.hexdigest()

    def parts(self) -> list[str]:
        """The text of the passages, without what one shares with the one before it."""
        texts: list[str] = []
        reached = 0
        for passage in self.passages:
            if passage.end > reached:
                texts.append(passage.quote[max(0, reached - passage.start) :])
                reached = passage.end
        return texts


def read_document(connection: Connection, scope: Scope, document_id: str) -> Read:
    """Raises `NotFound`, also for a document that somebody may not see."""
    about = find_document(connection, scope, document_id)
    columns = (chunks.c.page, chunks.c.start, chunks.c.end, chunks.c.text, VECTOR, *SENTENCES_OF)
    query = select(*columns).where(chunks.c.document_id == about.id).order_by(chunks.c.ordinal)
    rows = connection.execute(query).all()
    passages = [
        Source(
            document_id=about.id, document=about.name, page=row.page, start=row.start, end=row.end, quote=row.text
        )
        for row in rows
    ]  # fmt: skip
    dimension = dimension_of(rows[0].vector) if rows else 0
    packed = read_vectors([row.vector for row in rows])
    model = connection.scalar(select(collections.c.embedding_model).where(collections.c.id == about.collection_id))
    sentences, places = read_sentences(about.id, rows, dimension)
    found = unpack_sentences(rows, dimension).vectors if rows else packed
    return Read(
        about.id,
        about.name,
        about.title or about.name,
        str(model),
        passages,
        unpack_vectors(packed),
        sentences,
        unpack_vectors(found[places]),
    )


def read_sentences(document: str, rows: Any, dimension: int) -> tuple[list[Sentence], list[int]]:
    """The sentences of a document's rows, each once, and their numbers among all that the rows have."""
    sentences: dict[int, tuple[int, Sentence]] = {}
    number = 0
    for row in rows:
        for start, end in unpack_sentences([row], dimension).spans.tolist():
            text = row.text[start - row.start : end - row.start]
            sentences.setdefault(start, (number, Sentence(document, row.page, start, end, text)))
            number += 1
    ordered = [sentences[start] for start in sorted(sentences)]
    return [sentence for _, sentence in ordered], [place for place, _ in ordered]
