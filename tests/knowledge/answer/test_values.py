"""Quantities and dates that can be compared."""

import pytest

from guru.knowledge.answer.values import agree, values_of


def only(text):
    (value,) = values_of(text)
    return value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it takes 14 days", "it takes two weeks"),
        ("24 months", "2 years"),
        ("costs €1,200", "costs 1200 euros"),
        ("on 12 March 2024", "on March 12, 2024"),
        ("on 2024-03-12", "in March 2024"),
        ("on Mondays", "every Monday"),
        ("in 1955", "in the 1950s"),
        ("in 1955", "in the 20th century"),
        ("at 9 am", "at 09:00"),
        ("at noon", "at 12:00"),
        ("about 260 kilometres", "262 km"),
        ("1.5 million people", "1,523,000 people"),
        ("up to 25%", "20 percent"),
        ("10-15 days", "12 days"),
        ("at least 8 GB", "16 GB"),
        ("forty-two floors", "42 floors"),
    ],
)
def test_values_that_mean_the_same_agree(one, other):
    assert agree(only(one), only(other)) and agree(only(other), only(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it takes 14 days", "it takes three weeks"),
        ("costs 1,200 euros", "costs 1,250 euros"),
        ("costs 12 euros", "costs 12 dollars"),
        ("on 12 March 2024", "on 13 March 2024"),
        ("in May 1931", "in June 1931"),
        ("at 9 am", "at 9 pm"),
        ("262 km", "280 km"),
        ("version 3.9", "version 3.12"),
        ("up to 25%", "30 percent"),
        ("at 5 degrees", "at -20 degrees"),
        ("5 days", "5 weeks"),
    ],
)
def test_values_that_cannot_both_hold_do_not(one, other):
    assert not agree(only(one), only(other)) and not agree(only(other), only(one))


@pytest.mark.parametrize(
    "text", ["See section 4.", "The pump P-101 and ISO9001.", "Nobody came.", "No. 7 is red.", "[3]"]
)
def test_numbers_that_are_names_are_no_values(text):
    assert [value.dimension for value in values_of(text) if value.dimension != "count"] == []
    assert not any(
        value.dimension == "count" and text[value.start : value.end] in ("101", "9001", "4", "7")
        for value in values_of(text)
    )


def test_a_value_stands_where_it_says():
    text = "From 1 January 2024 staff receive 20 weeks of leave, about 3.5% more than before."
    assert [text[value.start : value.end] for value in values_of(text)] == ["1 January 2024", "20 weeks", "about 3.5%"]
