"""Rows of tables mean what their columns are called."""

import pytest

from guru.knowledge.answer.evidence import gather
from guru.knowledge.answer.features import passages_of
from guru.knowledge.answer.support import SUPPORTED, Judge
from knowledge.answer.answering import ScriptedModel, make_retrieval

HOTELS = "Destination | Daily allowance (EUR) | Hotel limit per night (EUR)\nPortugal | 68 | 130\nSpain | 70 | 145"
LEAVE = "Years of service | Days of leave | Carry over\n0 to 2 | 26 | 5\n3 to 9 | 29 | 5\n10 and more | 33 | 10"
RULED = "| Code | Meaning |\n|---|---|\n| E04 | Overload |\n| E17 | Weighing cell not locked |"
NAMED = "site: Leeds | opened: 2009\nsite: Toronto | opened: 2021"
DOCUMENTS = {"travel.md": f"# Travel\n\n{HOTELS}\n\nBook early.", "leave.md": f"# Leave\n\n{LEAVE}",
             "errors.md": f"# Errors\n\n{RULED}", "sites.csv": NAMED}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What is the hotel limit per night in Portugal?", "Portugal | 68 | 130"),
        ("How many days of leave do I have after ten years of service?", "10 and more | 33 | 10"),
        ("What is the meaning of the code E17?", "| E17 | Weighing cell not locked |"),
        ("When was the site in Toronto opened?", "site: Toronto | opened: 2021"),
    ],
)
async def test_a_row_is_quoted_verbatim_and_never_its_header(ask, question, row):
    evidence = gather(question, passages_of(make_retrieval(question, DOCUMENTS)))
    assert evidence.quotes[0].text == row
    assert not [quote for quote in evidence.quotes if "Destination" in quote.text or "---" in quote.text]
    answer = await ask(question, ScriptedModel("Nobody knows."), documents=DOCUMENTS)
    assert answer.citations[0].quote == row
    assert DOCUMENTS[answer.citations[0].document].count(row) == 1


async def test_a_quoted_row_is_read_with_the_names_of_its_columns(ask):
    question = "What is the hotel limit per night in Portugal?"
    answer = await ask(question, ScriptedModel("Nobody knows."), documents=DOCUMENTS)
    shown = "Destination: Portugal; Hotel limit per night (EUR): 130 [1]"
    assert answer.text.startswith(shown)


@pytest.mark.parametrize("small", [False, True])
async def test_models_see_rows_with_the_names_of_their_columns(ask, small):
    model = ScriptedModel("130 EUR", small=small)
    question = "What is the hotel limit per night in Portugal?"
    answer = await ask(question, model, documents=DOCUMENTS)
    asked = model.request.messages[-1].text
    allowance = "" if small else "Daily allowance (EUR): 68; "
    assert f"Destination: Portugal; {allowance}Hotel limit per night (EUR): 130" in asked
    assert "Destination |" not in asked and "---" not in asked
    assert (answer.text, answer.outcome) == ("130 EUR [1]", "answered")
    assert [citation.quote for citation in answer.citations] == ["Portugal | 68 | 130"]


async def test_a_small_model_sees_the_best_row_alone(ask):
    documents = {"leave.md": f"# Leave\n\nEverybody has 27 days of annual leave in a year.\n\n{LEAVE}"}
    model = ScriptedModel("33 days of leave", small=True)
    question = "How many days of annual leave do I have after ten years of service?"
    answer = await ask(question, model, documents=documents)
    assert "27" not in model.request.messages[-1].text
    assert (answer.text, answer.citations[0].quote) == ("33 days of leave [1]", "10 and more | 33 | 10")


async def test_a_claim_may_use_the_words_of_the_header_and_the_figures_of_one_row():
    question = "What does a hotel cost?"
    judge = Judge(gather(question, passages_of(make_retrieval(question, DOCUMENTS))))
    good = await judge.find("In Portugal the hotel limit per night is 130.", range(4))
    assert good.score >= SUPPORTED and good.text == "Portugal | 68 | 130"
    mixed = await judge.find("In Portugal the hotel limit per night is 145.", range(4))
    assert mixed is None or mixed.score < SUPPORTED


def test_a_table_whose_header_is_cut_off_has_no_names():
    question = "What is the limit in Portugal?"
    document = {"a.txt": "Portugal | 68 | 130\nSpain | 70 | 145"}
    evidence = gather(question, passages_of(make_retrieval(question, document)))
    assert evidence.quotes[0].text == "Portugal | 68 | 130"
    assert not evidence.passages[0].tables.rows


REPORT = """Revenue by product was as follows:

Year Ended June 30, | 2019 | 2018
Products
Games | 11,386 | 10,353
Search | 7,628 | 7,012
Total | $19,014 | $17,365

Comparable sales rose everywhere:

2023 | 2022
Home market | 12.6 % | 3.5 %
Markets abroad | 12.7 | 20.4"""


@pytest.mark.parametrize(
    ("question", "quote", "said"),
    [
        (
            "What was the revenue of games in 2018?",
            "Games | 11,386 | 10,353",
            "Products: Games; Year Ended June 30, 2018: 10,353",
        ),
        (
            "How much did sales in markets abroad rise in 2022?",
            "Markets abroad | 12.7 | 20.4",
            "Markets abroad; 2022: 20.4",
        ),
    ],
)
async def test_columns_that_are_years_are_read_with_their_figures(ask, question, quote, said):
    answer = await ask(question, ScriptedModel("Nobody knows."), documents={"report.txt": REPORT})
    assert answer.citations[0].quote == quote
    assert said in answer.text
