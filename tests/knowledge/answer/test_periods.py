"""What periods a text names, and what a question asks besides them."""

import pytest

from guru.knowledge.answer.periods import Period, period_of, without_periods


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("What was the revenue in 2019?", Period(years={2019})),
        ("in fiscal year 2018", Period(years={2018}, length="year")),
        ("FY19", Period(years={2019})),
        ("the season 2022/23", Period(years={2022})),
        ("the second quarter of fiscal 2019", Period(years={2019}, quarters={2}, length="quarter")),
        ("Q3 2021", Period(years={2021}, quarters={3}, length="quarter")),
        ("in the 4th quarter", Period(quarters={4}, length="quarter")),
        ("Quarters Ended March 31,", Period(days={(3, 31)}, length="quarter")),
        ("Year ended December 31, 2020", Period(years={2020}, days={(12, 31)}, length="year")),
        ("on 12 March", Period(days={(3, 12)})),
        ("Three months ended 30 June 2020", Period(years={2020}, days={(6, 30)}, length="quarter")),
        # Neither amounts nor identifiers are years.
        ("$2,019 and 2019.5 and 12019 and A-2019 and 2019%", Period()),
        ("Who may come? A quarterback.", Period()),
        ("", Period()),
    ],
)
def test_periods(text, period):
    found = period_of(text)
    said = {name: set(getattr(found, name)) for name in ("years", "quarters", "days")}
    assert said == {name: set(getattr(period, name)) for name in said}
    if period.length or not period.said:
        assert found.length == period.length


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("What were the net sales in the fourth quarter of fiscal 2018?", "What were the net sales ?"),
        ("What was the net income in the quarter ended June 30, 2019?", "What was the net income ?"),
        ("What is open on 12 March?", "What is open on ?"),
        ("How many days of leave are there after ten years of service?", None),
        ("Which quarter has the most trees?", None),
    ],
)
def test_a_question_without_its_period(question, rest):
    assert without_periods(question) == (question if rest is None else rest)


def test_a_long_text_takes_no_long_time():
    text = "in the quarter of the year " * 20_000
    assert without_periods(text) == text.strip()
