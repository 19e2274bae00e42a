"""Whether a cell is of the period that is asked for."""

import pytest

from guru.knowledge.answer.column import fit
from guru.knowledge.answer.periods import period_of
from guru.knowledge.answer.tables import Row
from guru.types import Hit


def fits(question, row, headings=(), document="a.txt"):
    hit = Hit(rank=1, score=0.5, document=document, document_id="a", chunk_id=1, page=None, start=0, end=1, text="x",
              heading_path=list(headings))  # fmt: skip
    return [fit(period_of(question), name, row, hit) for name in row.names[1:]]


YEARS = Row(["Year Ended June 30,", "2019", "2018"], ["Gaming", "11,386", "10,353"])
QUARTERS = Row(
    ["Quarter Ended", "September 30", "December 31", "March 31", "June 30"],
    ["Net income", "8,824", "8,420", "8,809", "13,187"],
    labels=["Fiscal Year 2019"],
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was gaming revenue in 2018?", [-1, 1]),
        ("What was gaming revenue in fiscal year 2019?", [1, -1]),
        ("What was gaming revenue in 2012?", [-1, -1]),
        ("What was gaming revenue?", [0, 0]),
        ("What was gaming revenue at June 30, 2018?", [-1, 1]),
        ("What was gaming revenue in the first quarter of 2019?", [-1, -1]),
    ],
)
def test_columns_of_years(question, expected):
    assert fits(question, YEARS) == expected


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("net income in the quarter ended June 30, 2019", 3),
        # The fiscal year that ends in June 2019 has a December of 2018.
        ("net income in the quarter ended December 31, 2018", 1),
        ("net income in the second quarter of fiscal year 2019", 1),
        ("net income in the quarter ended December 31, 2019", None),
        ("net income in fiscal year 2019", None),
        ("net income in the third quarter of fiscal 2020", None),
    ],
)
def test_columns_of_the_quarters_of_a_fiscal_year(question, column):
    found = fits(question, QUARTERS)
    assert [place for place, value in enumerate(found) if value > 0] == ([] if column is None else [column])


def test_what_is_nearest_to_a_cell_says_its_period():
    row = Row(["Group", "Members"], ["Juniors", "103"], labels=["2022"], caption="As of 2019")
    assert fits("How many juniors in 2022?", row) == [1]
    assert fits("How many juniors in 2019?", row) == [-1]
    bare = Row(["Group", "Members"], ["Juniors", "103"])
    assert fits("How many juniors in 2021?", bare, headings=["Club", "Season 2021"]) == [1]
    assert fits("How many juniors in 2021?", bare, document="members_2021.csv") == [1]
    assert fits("How many juniors in 2021?", bare, document="members_2020.csv") == [-1]
    assert fits("How many juniors in 2021?", bare) == [0]
