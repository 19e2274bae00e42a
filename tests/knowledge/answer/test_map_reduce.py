"""Answers over many documents: each is read for itself, and what they say is put together with its citations."""

import asyncio
import re

import pytest

from guru.config import MapReduceSettings
from guru.errors import ModelUnavailable
from guru.models.local.chat import LocalChatModel
from guru.models.store import ModelStore
from guru.types import Completed, Delta, Finished, Progress, Usage
from knowledge.answer.answering import ScriptedModel
from running import MODEL_HOME, fetch_models

YEARS = {2019: 310, 2020: 325, 2021: 340, 2022: 410, 2023: 450, 2024: 475}
REPORTS = {
    f"report-{year}.md": f"# Fallow in {year}\n\nAt the end of {year} Fallow had {count} employees. Most are engineers."
    f"\n\nThe office was painted. Nothing else happened in {year}."
    for year, count in YEARS.items()
} | {"menu.md": "# Menu\n\nThe canteen serves soup on Monday. Bread is free."}
QUESTION = "How many employees did Fallow have in each year?"


class Analyst:
    """A model that does as it is told: says for every source what it says, and joins notes. It counts its calls."""

    name = "test/analyst"
    small = False
    context_length = 3000

    def __init__(self, *, fails=(), seconds=0.0, invents=False):
        self.fails, self.seconds, self.invents = fails, seconds, invents
        self.requests, self.running, self.most, self.cancelled = [], 0, 0, 0

    async def chat(self, request):
        self.requests.append(request)
        text = request.messages[-1].text
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            if any(word in text for word in self.fails) and "<source" in text:
                raise ModelUnavailable("The model is out.", hint="Wait.")
            for piece in re.findall(r".{1,7}", self.say(text), re.DOTALL):
                yield Delta(text=piece)
            yield Finished("stop")
            yield Completed(model=self.name, usage=Usage(10, 5))
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    def say(self, text):
        if "<note" in text:
            notes = re.findall(r'<note sources="(\d+)">(.*?)</note>', text)
            said = [f"{note.rstrip('.')} [{number}]." for number, note in notes]
            return " ".join([*said, *(["In 2030 Fallow had 9000 employees [1]."] if self.invents else [])])
        found = re.findall(r'<source id="(\d+)"[^>]*>.*?(At the end of \d+ Fallow had \d+ employees)', text, re.DOTALL)
        return " ".join(f"{said} [{number}]." for number, said in found) or "The documents do not answer this question."


def settings(**limits):
    return {"map_reduce": MapReduceSettings(**limits)}


async def ask(shelf, model, question=QUESTION, **limits):
    await shelf.put("c", REPORTS)
    return await shelf.ask("c", question, model, k=100, strategy="map_reduce", settings=settings(**limits))


def progress(answer):
    return [event for event in answer.events if isinstance(event, Progress)]


async def assert_cited(shelf, answer, years=YEARS):
    """Every year is told with its number, behind which its own report stands."""
    for year in years:
        sentence = next(s for s in re.split(r"(?<=\.)\s|\n", answer.text) if f"{year} Fallow had" in s)
        assert str(YEARS[year]) in sentence
        (n,) = map(int, re.findall(r"\[(\d+)\]", sentence))
        citation = next(c for c in answer.citations if c.n == n)
        assert citation.document.endswith(f"report-{year}.md") and str(YEARS[year]) in citation.quote
        assert await shelf.stored(citation) == citation.quote


@pytest.fixture
def several_batches(monkeypatch):
    """Two or three documents to a call."""
    monkeypatch.setattr("guru.knowledge.answer.map_reduce.BATCH_TOKENS", 200)


async def test_what_fits_into_one_call_is_asked_in_one(shelf):
    model = Analyst()
    answer = await ask(shelf, model)
    assert len(model.requests) == 1 and answer.outcome == "answered"
    await assert_cited(shelf, answer)


async def test_many_documents_are_read_in_batches_and_put_together(shelf, several_batches):
    model = Analyst(seconds=0.01)
    answer = await ask(shelf, model, concurrency=2)
    maps = [request for request in model.requests if "<source" in request.messages[-1].text]
    (reduce,) = [request for request in model.requests if "<note" in request.messages[-1].text]
    assert len(maps) >= 3 and reduce is model.requests[-1]
    assert model.most == 2
    assert answer.outcome == "answered" and not answer.unsupported
    await assert_cited(shelf, answer)
    assert answer.completed.usage == Usage(10 * len(model.requests), 5 * len(model.requests))
    told = progress(answer)
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[0].done == 0 and told[-1].done == told[-1].total == len(REPORTS)
    assert told[-1].answered == len(YEARS) and not told[-1].unread
    assert {p.stage for p in told} == {"map", "reduce"}


async def test_what_nobody_said_is_marked(shelf, several_batches):
    answer = await ask(shelf, Analyst(invents=True))
    assert answer.unsupported == ["In 2030 Fallow had 9000 employees."]
    await assert_cited(shelf, answer)


async def test_documents_that_fail_are_named_and_the_others_answer(shelf, several_batches):
    answer = await ask(shelf, Analyst(fails=("2021",)))
    failed = {unread.document.rpartition("/")[2]: unread.reason for unread in progress(answer)[-1].unread}
    assert "report-2021.md" in failed and "out" in failed["report-2021.md"]
    assert "Not read:" in answer.text and "report-2021.md" in answer.text
    await assert_cited(shelf, answer, [y for y in YEARS if f"report-{y}.md" not in failed])


async def test_when_all_fail_the_error_is_told(shelf, several_batches):
    with pytest.raises(ModelUnavailable):
        await ask(shelf, Analyst(fails=("Fallow",)))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"documents": 3}, "More than 3 documents"),
        ({"calls": 2}, "2 calls"),
        ({"tokens": 1200}, "1200 tokens"),
        ({"seconds": 0.3, "concurrency": 1}, "0.3 seconds"),
    ],
)
async def test_limits_hold_and_what_is_beyond_is_named(shelf, several_batches, limits, reason):
    model = Analyst(seconds=0.25 if "seconds" in limits else 0.0)
    answer = await ask(shelf, model, **limits)
    assert len(model.requests) <= limits.get("calls", 24)
    unread = progress(answer)[-1].unread
    assert unread and all(reason in one.reason for one in unread), unread
    not_cited = {one.document for one in unread} - {citation.document for citation in answer.citations}
    assert ("Not read:" in answer.text) == bool(not_cited)
    assert answer.citations


async def test_notes_are_listed_where_no_call_is_left_to_join_them(shelf, several_batches):
    answer = await ask(shelf, Analyst(), calls=1)
    assert answer.outcome == "quoted" and answer.text.startswith("- ")
    assert answer.citations


async def test_who_goes_away_cancels_all_calls(shelf, several_batches):
    await shelf.put("c", REPORTS)
    model = Analyst(seconds=30.0)
    asking = asyncio.create_task(shelf.ask("c", QUESTION, model, k=100, strategy="map_reduce"))
    while model.running < 2:
        assert not asking.done()
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert model.running == 0 and model.cancelled >= 2


async def test_a_small_model_is_shown_what_each_document_says(shelf):
    answer = await ask(shelf, ScriptedModel("Nothing.", small=True))
    assert answer.outcome == "quoted"
    lines = answer.text.splitlines()
    assert all(line.startswith("- ") and "report-" in line for line in lines) and len(lines) == len(YEARS)
    for citation in answer.citations:
        assert "employees" in citation.quote and await shelf.stored(citation) == citation.quote
    assert progress(answer)[-1].answered == len(YEARS)


async def test_what_no_document_says_is_declined(shelf, several_batches):
    answer = await ask(shelf, Analyst(), "What is the boiling point of tungsten on Mars?", threshold=0.5)
    assert answer.outcome == "declined" and not answer.citations


async def test_the_default_model_gives_a_list(shelf):
    fetch_models()
    model = LocalChatModel("local/smollm2-135m", ModelStore(MODEL_HOME).path("smollm2-135m"), threads=2, slots=1)
    try:
        answer = await ask(shelf, model)
        assert answer.outcome == "quoted" and len(answer.citations) == len(YEARS)
    finally:
        await model.aclose()
