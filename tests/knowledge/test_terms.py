import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.terms import count_terms, hash_term, hash_terms, query_terms, terms


def test_words_are_folded_and_stemmed():
    assert terms("The Engines' naïve RUNNING") == ["the", "engin", "naiv", "run"]
    assert terms("Häuser gelaufen", "de") == ["haus", "gelauf"]


def test_identifiers_and_numbers_are_kept_whole_and_in_parts():
    assert terms("P-101") == ["p101", "p", "101"]
    assert terms("snake_case_id") == ["snakecaseid", "snake", "case", "id"]
    assert terms("camelCase") == ["camelcas", "camel", "case"]
    assert terms("1,234.56") == ["1234.56", "1234", "56"]
    assert terms("U.S.A.") == terms("USA")
    assert terms("1,000") == terms("1000")


def test_chinese_is_counted_in_pairs_of_characters():
    assert terms("日本語") == ["日本", "本語"]


def test_a_query_is_its_telling_words():
    assert query_terms("What is the capital of Normandy?") == [["capit"], ["normandi"]]


def test_a_query_of_nothing_but_stop_words_keeps_them():
    assert query_terms("who is it") == [["who"], ["is"], ["it"]]


def test_a_query_is_stemmed_in_every_language_of_the_collection():
    assert query_terms("Häuser", frozenset({"en", "de"})) == [["haus", "hauser"]]


def test_terms_of_passage_and_heading_are_counted_apart():
    counted = count_terms("tea and tea", "Tea", "en")
    row = counted[counted["term"] == np.uint64(hash_term("tea"))][0]
    assert (row["body"], row["heading"]) == (2, 1)


@given(st.text(max_size=100))
def test_any_text_has_terms_that_do_not_depend_on_case_of_ascii(text):
    assert all(isinstance(term, str) and term for term in terms(text))
    assert query_terms(text) is not None


@given(st.text(st.characters(max_codepoint=127), max_size=100))
def test_text_of_ascii_has_the_terms_that_it_has_beside_other_characters(text):
    assert terms(f"{text} é") == [*terms(text), "e"]


@given(st.text(max_size=60))
def test_hashes_are_those_of_the_terms(text):
    assert hash_terms(text, "de") == [hash_term(term) for term in terms(text, "de")]


def test_more_tokens_than_are_remembered(monkeypatch):
    monkeypatch.setattr("guru.knowledge.terms._MOST_TOKENS", 10)
    for _ in range(2):
        assert terms(" ".join(f"pumps{n}" for n in range(40)), "fr")[:3] == ["pumps0", "pump", "0"]
    assert terms("pumps", "en") == ["pump"]


def test_a_passage_has_at_most_65535_of_a_term():
    assert count_terms("tea " * 70_000, "", "en")["body"].tolist() == [65535]
