"""What is particular about each strategy."""

import itertools

import pytest

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.chunk import ChunkOptions, check_options
from guru.knowledge.parse import ParsedDocument, parse


def document(text):
    return ParsedDocument(text=text, media_type="text/plain")


def texts(chunks, parsed):
    return [parsed.text[chunk.start : chunk.end] for chunk in chunks]


def test_fixed_fills_every_chunk_and_repeats_the_overlap(make):
    parsed = document(" ".join(f"word{n}" for n in range(400)))
    chunks = make("fixed", 50, 10).split(parsed)
    assert all(47 <= chunk.tokens <= 50 for chunk in chunks[:-1])
    for before, after in itertools.pairwise(texts(chunks, parsed)):
        shared = after.split()[: len(set(before.split()) & set(after.split()))]
        assert before.endswith(" ".join(shared)) and shared


def test_fixed_fills_chunks_with_chinese_as_well(make):
    parsed = document("中文字符" * 100)
    assert all(chunk.tokens == 50 for chunk in make("fixed", 50, 0).split(parsed)[:-1])


def test_sentences_stay_whole_across_paragraphs(make):
    parsed = document("\n\n".join(f"Sentence number {n} says nothing new. It goes on." for n in range(20)))
    found = texts(make("sentence", 50, 0).split(parsed), parsed)
    assert all(text.startswith(("Sentence", "It")) and text.endswith(".") for text in found)
    assert all("\n\n" in text for text in found[:-1])


def test_heading_gives_every_section_a_chunk_of_its_own(make):
    parsed = parse(b"# A\n\n## a\n\nOne.\n\n## b\n\nTwo.\n\n## c\n\n" + b"Three is long. " * 40, "d.md")
    chunks = make("heading").split(parsed)
    assert [chunk.heading_path for chunk in chunks[:3]] == [["A", "a"], ["A", "b"], ["A", "c"]]
    assert texts(chunks, parsed)[0] == "# A\n\n## a\n\nOne."
    assert {chunk.heading_path[-1] for chunk in chunks[2:]} == {"c"} and len(chunks) > 3


PUMPS = "The feed pump moves water to the boiler. The pump has two bearings. Grease the bearings of the pump in March. "
BIRDS = (
    "The grebe nests on the lake in June. Young grebes ride on their parents. Grebes and other birds dive for fish. "
)


def test_semantic_cuts_where_the_subject_changes(make):
    parsed = document(PUMPS + BIRDS + PUMPS)
    found = texts(make("semantic", 200, 0, semantic_percentile=75.0).split(parsed), parsed)
    assert found == [PUMPS.strip(), BIRDS.strip(), PUMPS.strip()]


def test_semantic_embeds_in_few_calls_and_cuts_what_stays_too_long(embedder):
    import numpy as np

    from guru.knowledge.chunk.semantic import SemanticChunker

    calls = []

    def embed(windows):
        calls.append(len(windows))
        return np.ones((len(windows), 1), np.float32)  # everything means the same

    parsed = document(" ".join(f"This is sentence {n}." for n in range(600)))
    chunks = SemanticChunker(embedder.token_offsets, 50, 10, embed, 90.0).split(parsed)
    assert all(chunk.tokens <= 50 for chunk in chunks) and len(chunks) > 50
    assert calls[:-1] == [512] * (len(calls) - 1) and len(calls) < 4


def test_a_text_of_one_long_line_is_cut_in_time_that_grows_as_it_does(make):
    sentences = 30_000  # in time that grows with the square it would take an hour
    chunks = make("recursive", 400, 0).split(document(" ".join(f"Here is {n}." for n in range(sentences))))
    assert sum(len(chunk.sentences) for chunk in chunks) == sentences


def test_hierarchical_reads_a_larger_text_around_a_small_chunk(make):
    parsed = parse(b"# A\n\n" + b"Alpha is first. " * 30 + b"\n\n# B\n\n" + b"Beta is second. " * 30, "d.md")
    chunks = make("hierarchical", 30, 0, parent_tokens=100).split(parsed)
    chunks = [chunk for chunk in chunks if chunk.parent]
    parents = list(dict.fromkeys(chunk.parent for chunk in chunks))
    assert len(chunks) > 2 * len(parents) > 4
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(parents))
    assert all(chunk.parent[0] <= chunk.start and chunk.end <= chunk.parent[1] for chunk in chunks)
    # What fits into a chunk has nothing more to read.
    assert [chunk.parent for chunk in make("hierarchical").split(document("Short."))] == [None]


TABLE = "Limits:\n\n" + "\n".join(
    ["| Country | Limit | Note |", "|---|---|---|", *(f"| Land {n} | {n} EUR | By train. By bus. |" for n in range(30))]
)


@pytest.mark.parametrize("strategy", ["fixed", "sentence", "recursive", "heading", "semantic", "hierarchical"])
def test_a_table_is_cut_between_rows_and_every_part_knows_its_header(make, strategy):
    parsed = parse(TABLE.encode(), "d.md")
    chunks = make(strategy, 60, 0).split(parsed)
    header = "| Country | Limit | Note |"
    continuing = [chunk for chunk in chunks if chunk.start > parsed.text.index(header)]
    assert len(continuing) > 5
    assert {parsed.text[slice(*chunk.header)] for chunk in continuing} == {header}
    assert {chunk.header for chunk in chunks if chunk not in continuing} == {None}
    for text in texts(continuing, parsed):
        assert text.startswith("|") and text.endswith("|")


def test_the_recipe_changes_with_what_changes_the_chunks_and_with_nothing_else():
    base = ChunkOptions()
    assert base.recipe != ChunkOptions(chunking="fixed").recipe
    assert base.recipe != ChunkOptions(chunk_tokens=100).recipe
    assert base.recipe != ChunkOptions(chunk_overlap=0).recipe
    assert base.recipe == ChunkOptions(parent_tokens=500, semantic_percentile=50.0).recipe
    for field, value, strategy in (("parent_tokens", 500, "hierarchical"), ("semantic_percentile", 50.0, "semantic")):
        chosen = ChunkOptions(chunking=strategy)
        assert chosen.recipe != ChunkOptions(chunking=strategy, **{field: value}).recipe


def test_a_collection_s_own_choice_goes_before_the_configuration():
    settings = KnowledgeSettings(chunking="heading", chunk_tokens=500)
    assert ChunkOptions.of(settings, {"chunk_overlap": 5}, most=254) == ChunkOptions(
        chunking="heading", chunk_tokens=254, chunk_overlap=5
    )
    assert ChunkOptions.of(settings, {"chunking": "fixed"}).chunking == "fixed"
    with pytest.raises(InvalidParameter, match="reads 254 tokens"):
        check_options({"chunk_tokens": 255}, 254)
