import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.corpus import MemoryCorpus
from guru.evaluate.dataset import AnswerText, Place, Question
from guru.evaluate.places import Resolver, Target, meets, needs_met, spans_of, stands_in
from guru.types import Hit

TEXT = "The ferry costs nine francs.\n\nThe hut has 12 beds. In 2012 it had  nine\nfrancs left."
CORPUS = MemoryCorpus({"sea.md": TEXT, "hills.md": "Dogs sleep outside."}, {"sea.md": {1: (0, 28), 2: (30, 90)}})


def hit(document="sea.md", start=0, end=28, text=None):
    return Hit(
        rank=1, score=0.5, document=document, document_id="x", chunk_id=1, page=None, start=start, end=end,
        text=TEXT[start:end] if text is None else text,
    )  # fmt: skip


async def resolve(**question):
    resolver = await Resolver.open(CORPUS, "local", "c")
    return await resolver.resolve(Question(question="?", **question))


async def test_the_most_exact_that_is_given_counts():
    assert (await resolve(document="sea.md")).needs == [(Target(document="sea.md"),)]
    assert (await resolve(document="sea.md", page=2)).needs == [(Target(document="sea.md", span=(30, 90)),)]
    span = await resolve(document="sea.md", page=2, start=4, end=9, answers=["nine francs"])
    assert span.needs == [(Target(document="sea.md", span=(4, 9)),)]
    assert (await resolve(answers=["nine francs"])).needs == [(Target(text="nine francs"),)]


async def test_an_answer_is_looked_for_where_the_question_says():
    everywhere = await resolve(document="sea.md", answers=["nine francs"])
    assert [target.span for target in everywhere.needs[0]] == spans_of("nine francs", TEXT)
    assert len(everywhere.needs[0]) == 2
    on_page = await resolve(document="sea.md", page=2, answers=["Nine Francs"])
    ((target,),) = on_page.needs
    assert TEXT[slice(*target.span)] == "nine\nfrancs"
    placed = await resolve(document="sea.md", answers=[AnswerText(text="nine", start=16, end=20)])
    assert placed.needs == [(Target(document="sea.md", span=(16, 20)),)]


async def test_what_cannot_be_found_is_still_wanted_and_named():
    missing = await resolve(document="sae.md", answers=["nine francs"])
    assert missing.needs == [(Target(document="sae.md"),)]
    assert "Did you mean 'sea.md'?" in missing.warning
    assert needs_met(hit(), missing.needs) == frozenset()
    assert "no page 9" in (await resolve(document="sea.md", page=9)).warning
    unsaid = await resolve(document="sea.md", answers=["ten francs"])
    assert (unsaid.needs, "word by word" in unsaid.warning) == ([(Target(document="sea.md"),)], True)


async def test_a_document_that_goes_away_meanwhile_is_a_warning():
    resolver = await Resolver.open(MemoryCorpus({"sea.md": TEXT}), "local", "c")
    resolver._corpus.documents.clear()
    found = await resolver.resolve(Question(question="?", document="sea.md", answers=["nine francs"]))
    assert (found.needs, "meanwhile" in found.warning) == ([(Target(document="sea.md"),)], True)


async def test_several_places_are_all_wanted():
    found = await resolve(relevant=[Place(document="sea.md", start=0, end=28), Place(document="hills.md")])
    assert needs_met(hit(), found.needs) == {0}
    assert needs_met(hit("hills.md", text="Dogs"), found.needs) == {1}


@pytest.mark.parametrize(
    ("span", "right"),
    [((0, 28), True), ((16, 27), True), ((0, 500), True), ((14, 100), True), ((15, 100), False), ((28, 60), False)],
)
def test_half_of_the_shorter_is_enough(span, right):
    assert meets(hit(), Target(document="sea.md", span=span)) is right
    assert not meets(hit("other.md"), Target(document="sea.md", span=span))


def test_an_answer_is_whole_words_whatever_their_case_and_spaces():
    assert stands_in("12", TEXT)
    assert spans_of("12", TEXT) == [(TEXT.index("12"), TEXT.index("12") + 2)]
    assert not stands_in("201", TEXT)
    assert stands_in("$5 (net)", "It is $5  (net).")


@given(st.text(min_size=1, max_size=30).filter(str.strip), st.text(max_size=60))
def test_any_answer_can_be_looked_for(answer, text):
    assert stands_in(answer, answer)
    for start, end in spans_of(answer, text):
        assert stands_in(answer, text[start:end])
