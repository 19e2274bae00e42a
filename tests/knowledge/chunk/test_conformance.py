"""What holds for every strategy, on documents of every kind."""

import re
import string
from bisect import bisect_right

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guru.knowledge.chunk import STRATEGIES
from guru.knowledge.parse import HeadingSpan, PageSpan, ParsedDocument, parse

words = st.text(string.ascii_lowercase, min_size=1, max_size=12)
sentences = st.lists(words, min_size=1, max_size=25).map(lambda found: " ".join(found).capitalize() + ".")
paragraphs = st.lists(sentences, min_size=1, max_size=5).map(" ".join)
cells = st.one_of(words, sentences, st.integers(0, 10**6).map(str))
tables = st.lists(st.lists(cells, min_size=2, max_size=4).map(" | ".join), min_size=1, max_size=8).map("\n".join)
headings = st.tuples(st.integers(1, 4), words).map(lambda found: "#" * found[0] + " " + found[1])
markdown = st.lists(st.one_of(paragraphs, tables, headings), max_size=8).map("\n\n".join)
functions = st.lists(st.tuples(words, st.lists(words, max_size=12)), max_size=6).map(
    lambda found: "\n\n".join(
        f"class K{name}:\n    def f_{name}(self):\n" + "".join(f"        self.x_{word} = '{word}'\n" for word in body)
        + "        return self\n"
        for name, body in found
    )
)  # fmt: skip
letters = st.text(st.sampled_from(string.ascii_letters + "éß中。 .,!?\n\n\t|-#"), max_size=300)
# Scripts whose words are single tokens until they are cut.
scripts = st.text(st.characters(categories=["Lu", "Ll", "Mn", "So", "Nd"]), max_size=150)


@st.composite
def documents(draw):
    """A document: a parsed Markdown or Python file, or any text with headings and pages anywhere."""
    kind = draw(st.sampled_from(["markdown", "python", "text"]))
    if kind == "markdown":
        parsed = parse(f"Start.\n\n{draw(markdown)}".encode(), "document.md")
    elif kind == "python":
        parsed = parse(f"import os\n\n{draw(functions)}".encode(), "module.py")
    else:
        text = draw(st.one_of(letters, scripts, st.text(max_size=200), paragraphs))
        starts = sorted(draw(st.sets(st.integers(0, 400), max_size=5)))
        found = [HeadingSpan(1 + start % 3, f"h{start}", start) for start in starts if start < len(text)]
        parsed = ParsedDocument(text=text, media_type="text/plain", headings=found)
    cuts = sorted(draw(st.sets(st.integers(0, max(1, len(parsed.text))), max_size=3)) | {0})
    ends = [*cuts[1:], len(parsed.text)]
    parsed.pages = [PageSpan(n, *span) for n, span in enumerate(zip(cuts, ends, strict=True), start=1)]
    return parsed


def heading_path(parsed, offset):
    """The titles over a place, found without the product's own outline."""
    path = []
    for heading in sorted(parsed.headings, key=lambda heading: heading.start):
        if heading.start <= offset:
            path = [entry for entry in path if entry.level < heading.level] + [heading]
    return [entry.title for entry in path]


def body_of(parsed, chunk):
    """Where the first sentence of a chunk begins that is no heading; else its last character."""
    starts = [heading.start for heading in parsed.headings]
    bodies = (begin for begin, end in chunk.sentences if not any(begin <= start < end for start in starts))
    return next(bodies, chunk.end - 1)


def rows(parsed):
    """The lines of tables, from their first to their last character."""
    for line in re.finditer(r"[^\n]+", parsed.text):
        text = line.group()
        if " | " in text.strip() and not text.isspace():
            start = line.start() + len(text) - len(text.lstrip())
            yield start, start + len(text.strip())


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parsed=documents(), tokens=st.integers(12, 60), overlap=st.integers(0, 30), parents=st.integers(20, 200))
def test_every_strategy(make, embedder, strategy, parsed, tokens, overlap, parents):
    text = parsed.text
    chunks = make(strategy, tokens, overlap, parent_tokens=parents, semantic_percentile=70.0).split(parsed)
    covered = set()
    page_starts = [page.start for page in parsed.pages]
    for place, chunk in enumerate(chunks):
        passage = text[chunk.start : chunk.end]
        assert chunk.ordinal == place
        assert passage == passage.strip() != ""
        assert embedder.count_tokens(passage) <= tokens
        assert chunk.tokens == embedder.count_tokens(passage)
        assert (chunk.start, chunk.end) == (chunk.sentences[0][0], chunk.sentences[-1][1])
        assert chunk.sentences == sorted(chunk.sentences)
        assert chunk.page == bisect_right(page_starts, chunk.start)
        assert chunk.heading_path == heading_path(parsed, body_of(parsed, chunk))
        covered.update(i for start, end in chunk.sentences for i in range(start, end))
        if chunk.parent is not None:
            start, end = chunk.parent
            assert start <= chunk.start < chunk.end <= end
            assert embedder.count_tokens(text[start:end]) <= max(parents, tokens)
        if chunk.header is not None:
            start, end = chunk.header
            assert end < chunk.start
            assert " | " in text[start:end] or text[start:end].strip().startswith("|")
            assert "\n\n" not in text[start : chunk.start]
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    borders = {border for chunk in chunks for border in (chunk.start, chunk.end)}
    if "language_name" not in parsed.metadata:
        for start, end in rows(parsed):
            if any(start < heading.start < end for heading in parsed.headings):
                continue
            if embedder.count_tokens(text[start:end]) <= tokens and end - start <= tokens * 12:
                assert not any(start < border < end for border in borders)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_gives_no_chunks(make, strategy):
    for text in ("", " \n\t\n "):
        assert make(strategy).split(ParsedDocument(text=text, media_type="text/plain")) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_document_is_cut_the_same_way(make, strategy):
    parsed = parse(("# One\n\n" + "The tide comes in. The moon is full. " * 20).encode(), "d.md")
    assert make(strategy).split(parsed) == make(strategy).split(parsed)
