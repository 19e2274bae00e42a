"""What is the row of a table."""

import re

from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.chunk.tables import (
    Headers,
    RowFinder,
    cell_spans,
    cells_of,
    header_of,
    named_cells,
    names_for,
    spanned,
)

# The definition; as a search it takes time with the square of a line's length.
ROW = re.compile(r"[^\S\n]*\||[^\n]*(?: \| |[^\s\n][^\n]*\t)")
lines = st.text(st.sampled_from(" \t|\nab\r\x0b\u00a0"), max_size=30)


@given(lines, st.data())
def test_a_row_has_bars_or_tabs_between_its_cells(text, data):
    offset = data.draw(st.integers(0, len(text)))
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    expected = (len(text) if end < 0 else end) if ROW.match(text, start) else None
    assert RowFinder(text).end_of_row(offset) == expected


def test_rows_of_every_kind():
    text = "| a | b |\nc | d\ne\tf\n\tg\nplain words\nx |"
    rows = [RowFinder(text).end_of_row(start) is not None for start in (0, 10, 16, 20, 23, 35)]
    assert rows == [True, True, True, False, False, False]


def header(*rows, strict=False):
    return header_of(rows, strict=strict)


def test_years_name_columns_of_other_figures():
    assert header("Year Ended June 30, | 2019 | 2018", "Gaming | 11,386 | 10,353", "Total | $125,843 | $110,360") == 0
    assert header("2023 | 2022", "U.S. | 12.6 % | 3.5 %", strict=True) == 0
    # The years of these are what the rows say.
    assert header("Apple | 1976", "Microsoft | 1975") is None
    assert header("Leeds | 2009 | 140", "Toronto | 2021 | 85") is None


def test_a_row_that_spans_columns_is_not_the_one_that_names_them():
    assert header("Operating | Finance", "Year Ending | Leases | Leases", "2020 | $1,678 | $591") == 1
    assert header("Estimated | May 31,", "(in millions) | Useful Life | 2018 | 2017", "Land | — | 868 | 830") == 1
    assert header("Code | Meaning", "E04 | Overload", "E17 | Cell not locked") == 0
    assert header("Total | 7 | 9", "Land | 3 | 4") is None


def test_names_are_those_of_the_row_also_where_the_labels_have_none():
    assert names_for(["Code", "Meaning"], ["E04", "Overload"]) == ["Code", "Meaning"]
    assert names_for(["2023", "2022"], ["U.S.", "12.6 %", "3.5 %"]) == ["", "2023", "2022"]
    assert names_for(["2023", "2022"], ["1", "12.6 %", "3.5 %"]) is None
    assert names_for(["2023", "2022"], ["Net income", "1", "2", "3"]) is None
    # A name that spans two columns: which figure belongs to which name is not guessed.
    assert names_for(["Quarters Ended", "2023", "Change"], ["Net income", "1", "2", "3"]) is None
    assert header("Quarters Ended | 2023 | Change", "Net income | 1 | 2 | 3 %", "Interest | 4 | 5 | 6 %") == 0


def test_a_label_between_rows_leaves_the_table_whole():
    text = "Quarter | 2023 | 2022\nRevenues\nSales | 2,224 | 2,302\nRents | 86 | 100\n\nNot a row\nCosts | 5 | 6\n"
    headers = Headers(text)
    assert text[slice(*headers.above(text.index("Rents")))] == "Quarter | 2023 | 2022"
    assert headers.above(text.index("Costs")) is None
    prose = "Quarter | 2023\nThis is a sentence.\nSales | 2,224\nRents | 86"
    assert Headers(prose).above(prose.index("Rents")) is None


def test_a_row_that_says_its_names_itself_needs_no_header():
    cells = ["Article: Pump", "On hand: 34"]
    assert named_cells(cells) == (["Article", "On hand"], ["Pump", "34"])
    assert named_cells(["Article: Pump", "34"]) is None
    assert names_for(["Article", "On hand"], cells) is None


def test_figures_of_the_years_where_a_row_leaves_other_columns_out():
    names = ["(in millions)", "2018", "Change", "2017", "Change", "2016"]
    assert names_for(names, ["Net income", "$3,825", "$9,335", "$8,901"]) == ["(in millions)", "2018", "2017", "2016"]
    assert names_for(names, ["Net income", "$3,825", "$9,335"]) is None
    assert names_for(names, ["Net income", "rose", "fell", "rose"]) is None


def test_a_last_column_that_is_two_under_one_name():
    names = ["Quarters Ended", "2023", "2022", "Change"]
    assert names_for(names, ["Net income", "7", "5", "2", "40 %"]) == [*names, "Change"]
    assert names_for(["June 30,", "2019", "2018", "2017"], ["Revenue", "1", "2", "3", "4"]) is None


def test_names_that_span_columns_join_those_below():
    below = ["(In millions)", "Shares", "Cost", "Shares", "Cost"]
    expected = ["(In millions)", "Shares 2019", "Cost 2019", "Shares 2018", "Cost 2018"]
    assert spanned(below, [["Year", "2019", "2018"]]) == expected
    assert spanned(below, [["2019", "2018"]]) == expected
    # One that does not span evenly says nothing, and neither does one that spans all.
    assert spanned(below, [["Year", "2019", "2018", "2017"], ["All of it"]]) == below
    assert spanned(["Name"], [["A", "B"]]) == ["Name"]


@given(st.lists(st.text("ab1 $", max_size=5), min_size=1, max_size=5), st.sampled_from(["{}", "| {} |", "  {}", "|{}"]))
def test_cells_stand_where_their_spans_say(cells, line):
    row = line.format(" | ".join(cells))
    assert [row[start:end] for start, end in cell_spans(row)] == cells_of(row)
