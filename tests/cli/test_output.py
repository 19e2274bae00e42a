import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.cli.output import clean, human_bytes, human_seconds, one_line, plural, print_json


@given(st.text())
def test_what_is_printed_cannot_take_over_a_terminal(text):
    assert not any(character in clean(text) for character in "\x1b\x07\x08\x9b\r\x7f")
    assert "\n" not in one_line(text)


def test_text_stays_as_it_is():
    assert clean("Größe:\t3 m\n– 日本") == "Größe:\t3 m\n– 日本"


def test_a_long_line_is_cut_at_a_word():
    assert one_line("one two three", limit=9) == "one two …"


@pytest.mark.parametrize(("count", "shown"), [(None, "–"), (999, "999 B"), (1_234_567, "1.2 MB"), (2e12, "2.0 TB")])
def test_sizes(count, shown):
    assert human_bytes(count) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(None, "–"), (0.0123, "12 ms"), (3.24, "3.2 s")])
def test_durations(seconds, shown):
    assert human_seconds(seconds) == shown


def test_one_is_not_plural():
    assert (plural(1, "document"), plural(1200, "chunk")) == ("1 document", "1,200 chunks")


def test_json_is_json(capsys):
    value = {"quote": "„Größe“ 日本\x1b"}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value
