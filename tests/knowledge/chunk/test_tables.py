"""What is the row of a table."""

import re

from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.chunk.tables import row_at

# The definition; as a search it takes time with the square of a line's length.
ROW = re.compile(r"[^\S\n]*\||[^\n]*(?: \| |[^\s\n][^\n]*\t)")
lines = st.text(st.sampled_from(" \t|\nab\r\x0b\u00a0"), max_size=30)


@given(lines, st.data())
def test_a_row_has_bars_or_tabs_between_its_cells(text, data):
    offset = data.draw(st.integers(0, len(text)))
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    expected = (len(text) if end < 0 else end) if ROW.match(text, start) else None
    assert row_at(text, offset) == expected


def test_rows_of_every_kind():
    text = "| a | b |\nc | d\ne\tf\n\tg\nplain words\nx |"
    rows = [row_at(text, start) is not None for start in (0, 10, 16, 20, 23, 35)]
    assert rows == [True, True, True, False, False, False]
