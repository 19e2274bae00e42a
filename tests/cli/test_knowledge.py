"""What `guru knowledge tune` says to do."""

import tomllib

import msgspec

from guru.cli.knowledge import apply
from guru.config import KnowledgeSettings
from guru.evaluate.corpus import Cut
from guru.evaluate.settings import configuration, current_setting

CURRENT = current_setting(
    KnowledgeSettings(), Cut(chunking="recursive", chunk_tokens=200, chunk_overlap=40, parent_tokens=None)
)


def told(own=(), **chosen):
    setting = msgspec.structs.replace(CURRENT, **chosen)
    recommendation = {"change": True, "configuration": configuration(setting, CURRENT)}
    return apply({"collection": "notes", "own": list(own), "recommendation": recommendation})


def configured(text):
    """The lines of a recommendation that are TOML, read as the configuration is read."""
    lines = text[text.index("[knowledge]") :].split("\nThen ")[0]
    return msgspec.convert(tomllib.loads(lines)["knowledge"], KnowledgeSettings)


def test_a_way_to_search_is_told_as_lines_of_the_configuration():
    text = told(mode="sparse", k=3)
    assert (configured(text).mode, configured(text).passages) == ("sparse", 3)
    assert "started again" in text and "ingest" not in text
    found = configured(told(fusion="rrf", dense_weight=0.3, rerank='odd/"name"', rerank_top=20))
    assert (found.fusion, found.dense_weight, found.sparse_weight) == ("rrf", 0.3, 0.7)
    assert (found.rerank, found.rerank_top) == ('odd/"name"', 20)


def test_another_cut_is_told_with_the_ingest_that_it_takes():
    text = told(chunking="heading", chunk_tokens=100, chunk_overlap=20)
    assert (configured(text).chunking, configured(text).chunk_tokens, configured(text).chunk_overlap) == (
        "heading",
        100,
        20,
    )
    assert text.endswith("guru ingest PATH --collection notes")


def test_a_collection_with_a_cut_of_its_own_is_configured_itself():
    text = told(["chunk_tokens"], k=3, chunk_tokens=100, chunk_overlap=20)
    assert text.startswith("guru collections configure notes --chunk-tokens 100 --chunk-overlap 20\n")
    assert configured(text).passages == 3
    assert "chunk_tokens" not in text


def test_a_report_of_an_older_version_has_nothing_to_write():
    assert apply({"collection": "notes", "recommendation": {"setting": {"mode": "hybrid"}, "change": True}}) == ""
