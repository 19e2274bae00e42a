from evaluate.corpus import MemoryCorpus
from guru.evaluate.corpus import Source
from guru.evaluate.extracted import GAP, choose_gap, clozes, extract, headings
from guru.knowledge.sentences import sentence_spans

TEXT = (
    "# Pumps\n\nThe feed pump of the plant delivers 40 litres per minute at full load. Too short 5.\n\n"
    "# Tea\n\nMost of the green tea of the region is grown in Assam and picked by hand.\n\n"
    "# 3.1\n\nNothing that anybody could ask about stands under a bare number like that one here.\n\n"
    "| a | table with some 12 numbers | in it and with enough words to be a sentence of its own. |"
)
SOURCE = Source(id="id-notes.md", name="notes.md", title="Notes")
CORPUS = MemoryCorpus({"notes.md": TEXT})


def test_a_gap_is_a_number_or_a_name_that_the_sentence_has_once():
    made = list(clozes(SOURCE, TEXT, sentence_spans(TEXT)))
    assert [question.texts for question in made] == [["40"], ["Assam"]]
    for question in made:
        (answer,) = question.answers
        assert TEXT[answer.start : answer.end] == answer.text
        assert answer.text not in question.question
        assert GAP in question.question


def test_no_gap_where_the_sentence_gives_it_away():
    assert choose_gap("It is 5 or 5 again, as nobody can deny at all.") is None
    assert choose_gap("The valve V-20 was opened in 1998, and the pump in 1999.") == (29, 33)
    assert choose_gap("no names or numbers are in this one, not any at all.") is None


async def test_a_heading_asks_for_all_that_stands_under_it():
    made = list(headings(SOURCE, await CORPUS.passages("local", SOURCE.id)))
    assert [question.question for question in made] == [
        "What does “Notes” say under “Pumps”?", "What does “Notes” say under “Tea”?",
    ]  # fmt: skip
    assert TEXT[made[0].start : made[0].end].startswith("The feed pump")


async def test_the_seed_decides_the_order():
    passages = await CORPUS.passages("local", SOURCE.id)

    def made(seed):
        return [question.question for question in extract(SOURCE, TEXT, passages, sentence_spans, seed)]

    assert made(1) == made(1)
    assert sorted(made(1)) == sorted(made(2))
    assert len({tuple(made(seed)) for seed in range(6)}) > 1
