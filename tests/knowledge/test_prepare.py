"""The rows of a document say what its text does, however it was cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.parse import parse
from guru.knowledge.prepare import File, Preparer, heading_text
from guru.knowledge.rows import SENTENCE_COLUMNS, coarse_of, pack_fine, read_fine, unpack_sentences, unpack_vectors
from guru.knowledge.terms import count_terms, hash_term, language_of, terms

sentences = st.sampled_from(
    [
        "Pump P-101 runs. ",
        "It is greased in March.\n\n",
        "# Halls\n\n",
        "日本語の文です。次の文。",
        "word" * 60,
        "| a | b |\n| 1 | 2 |\n",
        "U.S.A. and the U.K. trade ",
        "1,234.5 litres; ",
        "naïve ﬁsh\u00a0",
    ]
)


class Row:
    def __init__(self, row):
        self.__dict__.update(row)


@pytest.fixture(scope="module")
def prepare(embedder):
    def prepare(text, **options):
        preparer = Preparer(embedder, ChunkOptions(**options), embed=None)
        file = File(name="a.md", digest="0" * 64, size=len(text), source=None)
        prepared = preparer.prepare(file, parse(text.encode(), "a.md"))
        vectors = np.random.default_rng(0).standard_normal((len(prepared.texts), 384)).astype(np.float32)
        return prepared, vectors, preparer.rows(prepared, pack_fine(vectors), "model", "t", "c")

    return prepare


@settings(max_examples=60, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=25).map("".join), st.sampled_from([(20, 8), (60, 0)]))
def test_every_passage_has_its_own_terms_vectors_and_sentences(prepare, text, sizes):
    prepared, vectors, (document, stored, rows) = prepare(text, chunk_tokens=sizes[0], chunk_overlap=sizes[1])
    assert document["chunks"] == len(rows) == len(prepared.chunks)
    packed = pack_fine(vectors)
    at = {span: place for place, span in enumerate(prepared.sentences, start=len(prepared.passages))}
    language = language_of(document["language"])
    for place, (chunk, row) in enumerate(zip(prepared.chunks, rows, strict=True)):
        assert row["text"] == stored["text"][chunk.start : chunk.end]
        expected = count_terms(row["text"], heading_text(prepared.document, chunk), language)
        assert row["terms"] == expected.tobytes()
        assert row["vector"] + row["vector_residual"] == packed[place].tobytes()
        found = unpack_sentences([Row({name: row[name] for name in SENTENCE_COLUMNS})], 384)
        assert found.spans.tolist() == [list(span) for span in chunk.sentences]
        assert found.vectors.tobytes() == coarse_of(packed[[at[span] for span in chunk.sentences]]).tobytes()
        words = [
            [hash_term(term) & 0xFFFFFFFF for term in terms(stored["text"][i:j], language)] for i, j in chunk.sentences
        ]
        assert found.terms.tolist() == [term for sentence in words for term in sentence]
        assert np.bincount(found.sentence_of_term, minlength=len(words)).tolist() == list(map(len, words))


def test_vectors_are_stored_as_they_are_read(prepare):
    _, vectors, (_, _, rows) = prepare("One sentence. Another one.")
    coarse, fine = (
        np.abs(unpack_vectors(read_fine([rows[0]["vector"]], [residual])) - vectors[0]).max()
        for residual in (None, rows[0]["vector_residual"])
    )
    assert 0.001 < coarse < 0.02
    assert fine < coarse / 100


def test_rows_are_embedded_with_the_names_of_their_columns(prepare):
    table = "Year Ended June 30, | 2019 | 2018\nProducts\nGames | 11,386 | 10,353\nTotal | $19,014 | $17,365"
    prepared, _, (_, stored, rows) = prepare(f"# Revenue\n\nIn millions.\n\n{table}\n\nThese are audited.")
    assert prepared.stated[-4:] == [
        "Products",
        "Year Ended June 30: Games; 2019: 11,386; 2018: 10,353",
        "Year Ended June 30: Total; 2019: $19,014; 2018: $17,365",
        "These are audited.",
    ]
    start, end = prepared.sentences[-3]
    assert stored["text"][start:end] == "Games | 11,386 | 10,353"
    assert "Games | 11,386 | 10,353" in rows[0]["text"]
