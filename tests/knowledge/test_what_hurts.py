"""What users of other systems complain about most, where no other test stands beside its subject."""

import asyncio
import contextlib
import json
from importlib.resources import files

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from guru.config import KnowledgeSettings, StoreSettings
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.index.own import read_index_status
from guru.types import ChatRequest, Cited, Grounding, Message
from knowledge.answer.answering import ScriptedModel
from knowledge.conftest import SCOPE
from running import run_json

QUESTIONS = json.loads(files("guru.samples").joinpath("questions.json").read_text("utf-8"))
LEAVE = "How many weeks of parental leave does every parent get?"


@contextlib.contextmanager
def statements():
    """The SQL that runs meanwhile."""
    seen = []

    def note(connection, cursor, statement, parameters, context, executemany):
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_sources_come_from_the_collection_that_was_asked(bench, tmp_path):
    """The same text, nearly, stands in another collection, and would answer as well."""
    for name, days in (("ours", 28), ("theirs", 30)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(f"Every employee has {days} days of annual leave.")
        await bench.ingest(tmp_path / name, collection=name)
    for name in ("ours", "theirs"):
        for mode in ("hybrid", "dense", "sparse"):
            hits = await bench.search("How many days of annual leave?", collection=name, mode=mode)
            assert [hit.document for hit in hits] == [f"{name}.md"]
        answer = await answered(bench, name, "How many days of annual leave has every employee?")
        assert {citation.document for citation in answer} == {f"{name}.md"}


async def answered(bench, collection, question):
    """The citations of an answer whose model says nothing that stands."""
    answerer = Answerer(bench.knowledge.embedder, KnowledgeSettings(), bench.knowledge.documents)
    found = await bench.knowledge.retrieve(SCOPE, collection, question)
    model = ScriptedModel("Nothing of the kind is known.")
    request = ChatRequest(
        model=model.name, messages=[Message("user", question)], guru=Grounding(collection, threshold=0.0)
    )
    events = [event async for event in answerer.answer(request, found, model)]
    return [citation for event in events if isinstance(event, Cited) for citation in event.citations]


async def test_no_index_is_built_by_a_query(bench, tmp_path):
    """Words and vectors are read once, whatever is asked after that; a new document costs its own."""
    for number in range(120):
        (tmp_path / f"{number}.md").write_text(f"Room {number} has {number + 2} chairs and a lamp of type L{number}.")
    await bench.ingest(tmp_path)
    await indexed(bench)
    with statements() as first:
        await bench.search("chairs in room 7")
    # The index in memory reads them with the first search; the database has its own already.
    assert any(reads_words(statement) for statement in first) != bench.database.dialect.SEVERAL_WRITERS
    with statements() as later:
        for number in range(10):
            for mode in ("hybrid", "sparse", "dense"):
                assert (await bench.search(f"lamp L{number}", mode=mode))[0].document
    assert later and not [statement for statement in later if reads_words(statement)]


def reads_words(statement):
    """Whether it reads the words of more passages than it names."""
    return "chunks.terms" in statement and "chunks.id IN" not in statement


async def indexed(bench):
    """Wait for what the database indexes by itself."""
    while (await read_index_status(bench.database, bench.knowledge.index.own, StoreSettings())).waiting:
        await asyncio.sleep(0.05)


async def test_a_hybrid_search_needs_no_reranker_and_no_common_word(bench, folder):
    await bench.ingest(folder)
    hits = await bench.search("holiday entitlement of staff")
    assert hits[0].document == "leave.txt"
    for query in ("P-101", "leave", "?!", "the of and", "Where do they pick chai by hand in India?"):
        hits = await bench.search(query)
        assert hits, query


def test_a_threshold_is_obeyed_by_every_door(sample_server):
    """1 declines what 0 answers, and the answer's confidence says where the line is."""
    sure = run_json(sample_server.home, "ask", LEAVE, "-c", "handbook")["confidence"]
    for threshold, outcome in ((max(0.0, sure - 0.05), "answer"), (min(1.0, sure + 0.005), "declined")):
        guru = {"collection": "handbook", "threshold": threshold}
        asked = sample_server.post("/api/v1/ask", {"question": LEAVE, **guru})
        chat = {"model": "default", "messages": [{"role": "user", "content": LEAVE}], "guru": guru}
        completed = sample_server.post("/v1/chat/completions", chat)["guru"]
        command = run_json(sample_server.home, "ask", LEAVE, "-c", "handbook", "--threshold", str(threshold))
        for said in (asked["outcome"], completed["outcome"], command["outcome"]):
            assert (said == "declined") == (outcome == "declined"), (threshold, said)


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_scores_are_probabilities_that_fall_with_the_fit(sample_server, mode):
    def best(query):
        found = run_json(sample_server.home, "search", query, "-c", "handbook", "--mode", mode)["results"]
        scores = [hit["score"] for hit in found]
        assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
        return scores[0]

    assert best(LEAVE) > 0.5 > best("The boiling point of tungsten on the Moon")


def test_what_the_search_finds_the_chat_knows(sample_server):
    """For questions of the samples that can be answered, the best passage of the search is what the chat cites, and the
    citation reaches whoever asks through OpenAI's API."""
    checked = 0
    for item in QUESTIONS[:5]:
        text, collection = item["question"], "handbook"
        hits = run_json(sample_server.home, "search", text, "-c", collection, "-k", "5")["results"]
        chat = {
            "model": "default",
            "messages": [{"role": "user", "content": text}],
            "guru": {"collection": collection},
        }
        answer = sample_server.post("/v1/chat/completions", chat)
        if hits[0]["score"] < 0.5:
            continue
        checked += 1
        cited = answer["guru"]["citations"]
        assert answer["guru"]["outcome"] != "declined" and cited, text
        found = {(hit["document"], hit["page"]) for hit in hits}
        assert {(citation["document"], citation["page"]) for citation in cited} <= found, text
        assert item["document"] in {citation["document"] for citation in cited}, text
    assert checked
