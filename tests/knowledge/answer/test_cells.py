"""How rows fit a question, and which of their cells answers."""

import pytest

from guru.knowledge.answer.cells import NOTHING, Asked, figureless, match
from guru.knowledge.answer.tables import Row
from guru.types import Hit

YEARS = ["Year ended", "2021", "2020"]


def hit(document="HALVORSEN_2021.pdf", **about):
    return Hit(rank=1, score=0.5, document=document, document_id="a", chunk_id=1, page=None, start=0, end=1, text="x",
               **about)  # fmt: skip


def asked(question):
    return Asked.of(question, "en")


def test_the_row_with_the_label_and_the_year_fits_whole():
    found = match(
        asked("What was Halvorsen's interest expense in 2020?"), Row(YEARS, ["Interest expense", "57", "61"]), hit()
    )
    assert found.cell == 2
    assert found.features["row_exact"] == found.features["row_phrase"] == found.features["row_period"] == 1.0


def test_a_year_that_is_no_column_fits_nothing():
    found = match(
        asked("What was Halvorsen's interest expense in 1998?"), Row(YEARS, ["Interest expense", "57", "61"]), hit()
    )
    assert found.cell is None and found.quality == 0
    assert found.features["row_period"] == -1.0 and not found.features["row_exact"]


def test_a_longer_label_is_another_row():
    question = asked("What was the provision for income taxes in 2021?")
    right = match(question, Row(YEARS, ["Provision for income taxes", "464", "436"]), hit())
    wrong = match(question, Row(YEARS, ["Income before provision for income taxes", "2,267", "1,541"]), hit())
    assert (right.features["row_phrase"], wrong.features["row_phrase"]) == (1.0, 0.0)


def test_notes_behind_a_label_are_no_words_of_it():
    found = match(asked("What were total revenues in 2021?"), Row(YEARS, ["Total revenues (1)", "7", "8"]), hit())
    assert found.features["row_exact"] == 1.0


def test_a_label_over_the_row_tells_what_it_is_of():
    row = Row(YEARS, ["Revenues", "3,993", "4,152"], labels=["Hardware:"])
    found = match(asked("What were hardware revenues in 2020?"), row, hit())
    assert (found.cell, found.features["row_exact"], found.features["row_of_other"]) == (2, 1.0, 0.0)
    other = match(asked("What were the revenues in 2020?"), row, hit())
    assert other.features["row_of_other"] == 1.0


def test_a_row_of_another_document_counts_nothing():
    row = Row(YEARS, ["Interest expense", "83", "79"])
    found = match(asked("What was Halvorsen's interest expense in 2020?"), row, hit("BRIGHTWELL.pdf"), 1.0)
    assert found.features == NOTHING


@pytest.mark.parametrize(
    ("question", "cell"),
    [
        ("How many shares were bought in the first quarter of 2018?", 3),
        ("What was the cost of what was bought in the first quarter of 2019?", 2),
        # Both columns of the year are as near.
        ("What was bought in the first quarter of 2019?", None),
    ],
)
def test_the_column_is_chosen_by_year_and_name(question, cell):
    names = ["(In millions)", "Shares 2019", "Cost 2019", "Shares 2018", "Cost 2018"]
    row = Row(names, ["First Quarter", "24", "$2,600", "22", "$1,600"], caption="Year Ended June 30, | 2019 | 2018")
    assert match(asked(question), row, hit()).cell == cell


def test_a_cell_without_a_figure_is_no_figure():
    row = Row(YEARS, ["Tax settlement", "—", "500"])
    assert match(asked("How large was the tax settlement in 2020?"), row, hit()).cell == 2
    assert match(asked("How large was the tax settlement in 2021?"), row, hit()).features["row_period"] == -1.0
    assert match(asked("How large was it in 2021?"), Row(YEARS, ["Tax", "—", "—"]), hit()).features == NOTHING


def test_a_row_whose_only_cell_is_its_label():
    assert match(asked("How many?"), Row([], ["Juniors"]), hit()).features == NOTHING
    assert match(asked("How many?"), Row([], ["12"]), hit()).cell == 0


def test_a_figure_is_missed_where_one_is_asked_for():
    question = asked("What was the interest expense in 2019?")
    assert question.figure
    assert figureless(question, "This report speaks of the interest expense of the fiscal year 2021.") == 1.0
    assert figureless(question, "Interest expense was 74 million in 2019.") == 0.0
    assert figureless(asked("Who leads the four?"), "Mads Ekman leads it.") == 0.0
