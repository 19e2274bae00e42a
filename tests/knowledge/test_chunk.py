import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.knowledge.chunk import Chunker
from guru.knowledge.parse import HeadingSpan, PageSpan, ParsedDocument, parse


def document(text, **fields):
    return ParsedDocument(text=text, media_type="text/plain", **fields)


def markdown(text):
    return parse(text.encode(), "document.md")


@pytest.fixture(scope="module")
def chunker(embedder):
    return lambda max_tokens=50, overlap=10: Chunker(embedder.token_offsets, max_tokens, overlap)


def texts(chunks, parsed):
    return [parsed.text[chunk.start : chunk.end] for chunk in chunks]


def test_paragraphs_are_put_together_while_they_fit(chunker):
    parsed = document("One short line.\n\nAnother short line.\n\n" + "word " * 45)
    assert len(texts(chunker().split(parsed), parsed)) == 2


def test_a_heading_begins_a_new_passage_and_gives_its_path(chunker):
    parsed = markdown("# Tea\n\n" + "Leaf. " * 20 + "\n\n## Brewing\n\n" + "Water. " * 20)
    first, second = chunker().split(parsed)
    assert (first.heading_path, second.heading_path) == (["Tea"], ["Tea", "Brewing"])
    assert texts([second], parsed)[0].startswith("## Brewing")


def test_a_bare_heading_stays_with_what_follows_it(chunker):
    parsed = markdown("# Tea\n\n## Brewing\n\n" + "Water. " * 20)
    (only,) = chunker().split(parsed)
    assert only.heading_path == ["Tea", "Brewing"]


def test_small_sections_share_a_passage_but_not_across_the_outermost_headings(chunker):
    parsed = markdown("# A\n\n## a\n\nOne.\n\n## b\n\nTwo.\n\n# B\n\nThree.")
    assert len(chunker().split(parsed)) == 2


def test_a_long_paragraph_is_cut_at_sentences_that_overlap(chunker):
    sentences = [f"Sentence number {n} says nothing new." for n in range(30)]
    parsed = document(" ".join(sentences))
    chunks = chunker().split(parsed)
    assert len(chunks) > 3
    assert all(text.endswith("new.") and text.startswith("Sentence") for text in texts(chunks, parsed))
    assert all(after.start < before.end for before, after in itertools.pairwise(chunks))


def test_pages_are_those_of_the_first_character(chunker):
    parsed = document("a " * 40 + "\n\n" + "b " * 40, pages=[PageSpan(1, 0, 80), PageSpan(2, 82, 162)])
    assert [chunk.page for chunk in chunker().split(parsed)] == [1, 2]


def test_an_unbroken_run_of_characters_is_cut(chunker):
    parsed = document("x" * 5000)
    assert "".join(texts(chunker().split(parsed), parsed)) == "x" * 5000


letters = st.text(st.sampled_from(string.ascii_letters + "éß中。 .,!?\n\n\t|-#"), max_size=400)
# Scripts whose words are single tokens until they are cut.
scripts = st.text(st.characters(categories=["Lu", "Ll", "Mn", "So", "Nd"]), max_size=150)
words = st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), max_size=200).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(letters, words, scripts, st.text(max_size=200)),
    starts=st.sets(st.integers(0, 400), max_size=5),
    max_tokens=st.integers(8, 60),
    overlap=st.integers(0, 30),
)
def test_chunks_cover_the_text_verbatim_within_the_limit(embedder, text, starts, max_tokens, overlap):
    headings = [HeadingSpan(1 + start % 3, "h", start) for start in sorted(starts) if start < len(text)]
    parsed = document(text, headings=headings)
    chunks = Chunker(embedder.token_offsets, max_tokens, overlap).split(parsed)
    covered = set()
    for place, chunk in enumerate(chunks):
        passage = text[chunk.start : chunk.end]
        assert chunk.ordinal == place
        assert embedder.count_tokens(passage) <= max_tokens
        assert passage == passage.strip() != ""
        assert (chunk.start, chunk.end) == (chunk.sentences[0][0], chunk.sentences[-1][1])
        covered.update(i for start, end in chunk.sentences for i in range(start, end))
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
