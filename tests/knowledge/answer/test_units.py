import pytest

from guru.knowledge.answer.tables import Row
from guru.knowledge.answer.units import unit_fits, wanted_units

RIGHT, NOTHING, WRONG = 1, 0, -1


@pytest.mark.parametrize(
    ("question", "units"),
    [
        ("How many people work in research?", {"count"}),
        ("How many days of leave are there?", {"time"}),
        ("How many dollars did it cost?", {"money"}),
        ("How many square miles is the park?", set()),
        ("What percentage of the staff smokes?", {"percent"}),
        ("How much of the revenue was spent on research?", {"percent"}),
        ("How much did cloud revenue grow in 2019?", {"percent"}),
        ("By how much did sales increase?", {"percent", "money", "count"}),
        ("How much does a parking space cost?", {"money"}),
        ("How tall is the tower?", {"length"}),
        ("How old is the bridge?", {"time", "date"}),
        ("Who holds the exit interview?", set()),
        ("Wie viele Menschen arbeiten dort?", set()),
    ],
)
def test_a_question_wants_a_unit_or_leaves_it_open(question, units):
    assert wanted_units(question) == units


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        ("How many people work there?", "About 39,000 employees work there.", RIGHT),
        ("How many people work there?", "It spent $921 million.", WRONG),
        ("How much did revenue grow?", "Revenue grew 72%.", RIGHT),
        ("How much did revenue grow?", "Revenue was $38.1 billion.", WRONG),
        ("How many people worked there on May 31, 2018?", "It closed on May 31, 2018.", NOTHING),  # no figure but a day
        (
            "How much did the 20 % share grow?",
            "The 20 % share was worth $4.",
            WRONG,
        ),  # the question has that one itself
        ("How old is the bridge?", "It was built in 1894.", RIGHT),
        ("Who holds the interview?", "HR holds it for $5.", NOTHING),
    ],
)
def test_a_sentence_states_a_figure_in_that_unit_or_in_others_alone(question, said, expected):
    assert unit_fits(question, said, None) == expected


def test_the_figures_of_a_table_are_of_money_where_its_caption_or_a_sign_says_so():
    def row(caption, *cells):
        return Row(names=[], cells=list(cells), caption=caption)

    def of(question, row):
        return unit_fits(question, row.text, row)

    people, cost = "How many people worked in research?", "How much did research cost?"
    sums = row("Expenses (in millions)", "Research", "921", "770")
    assert (of(people, sums), of(cost, sums)) == (WRONG, RIGHT)
    heads = row("Staff (shares in millions)", "Research", "921", "770")
    assert (of(people, heads), of(cost, heads)) == (RIGHT, WRONG)
    signed = row("", "Research", "$921", "770")
    assert of(people, signed) == WRONG
