"""Where the sources stand in a prompt."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.answer.prompt import at_edges
from guru.types import ChatRequest, Grounding, Message
from knowledge.answer.answering import DOCUMENTS, Answer, ScriptedModel, StoredDocuments, make_retrieval

CAPITAL = "What is the capital of Poland?"


@given(st.lists(st.integers(), unique=True, max_size=12))
def test_the_best_stand_at_both_ends_and_the_worst_in_the_middle(best_first):
    placed = at_edges(best_first)
    assert sorted(placed) == sorted(best_first)
    ranks = [best_first.index(item) for item in placed]
    turn = ranks.index(max(ranks)) if ranks else 0
    assert ranks[: turn + 1] == sorted(ranks[: turn + 1])
    assert ranks[turn:] == sorted(ranks[turn:], reverse=True)
    assert not ranks or ranks[0] == 0


@pytest.mark.parametrize(("order", "small"), [("ranked", False), ("edges", False), ("edges", True)])
async def test_sources_keep_their_numbers_wherever_they_stand(order, small):
    model = ScriptedModel("Warsaw is the capital of Poland [1].")
    model.small = small
    request = ChatRequest(model=model.name, messages=[Message("user", CAPITAL)], guru=Grounding("c", threshold=0.0))
    stored = StoredDocuments({f"id-{name}": text for name, text in DOCUMENTS.items()})
    answerer = Answerer(None, KnowledgeSettings(source_order=order), stored)
    found = make_retrieval(CAPITAL)
    answer = Answer([event async for event in answerer.answer(request, found, model)])
    assert [citation.quote for citation in answer.citations] == ["Warsaw 🏙️ is the capital of Poland."]
    numbers = [int(n) for n in re.findall(r'<source id="(\d+)"', model.request.messages[-1].text)]
    everything = list(range(1, len(found.hits) + 1))
    expected = {"ranked": everything, "edges": at_edges(everything)}[order]
    assert numbers == ([] if small else expected)
