"""What is read without a process of its own is read as a worker would; what is odd in any way goes to one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import UnreadableDocument
from guru.knowledge.parse import parse
from guru.knowledge.parse.evident import LARGEST, parse_evident
from guru.knowledge.parse.language import detect_language, is_plain_english
from guru.knowledge.parse.sniff import sniff

ENGLISH = (
    "The pump of the second line is checked by the crew, and its record is kept for as long as it has been there. "
)

pieces = st.one_of(
    st.sampled_from(
        [ENGLISH, "\n", "\r\n", "\r", "\x0c", "\u2028", "\x00", "\x1b", "\ufeff", "\u00ad", "â€“", "Ã©", "é", "漢字",
         "<!doctype html>", "<html>", "<!-- x -->", "From: a\nTo: b\nSubject: c\nDate: d\n", "%PDF-1.7", "PK\x03\x04",
         "{", "GIF8", "{\\rtf", "| a | b |\n|---|---|\n", "BM"]
    ),
    st.text(max_size=5),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(pieces, max_size=8).map("".join), st.booleans(), st.sampled_from(["a.txt", "b/c d.TEXT"]))
def test_it_is_what_a_worker_makes_of_it_or_left_to_one(text, more, name):
    data = (text + ENGLISH * 6 * more).encode("utf-8", "surrogatepass")
    found = parse_evident(data, name)
    if found is not None:
        assert found == parse(data, name)


def test_plain_english_is_read_at_once():
    text = f"Pumps\r\n\r\n{ENGLISH * 3}\r\nIts café is called “Zoe”, it’s said.\r\n"
    found = parse_evident(text.encode(), "notes/pumps.txt")
    assert found.text == text.replace("\r\n", "\n")
    assert (found.title, found.language, found.media_type) == ("pumps", "en", "text/plain")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (ENGLISH.encode(), "a.md"),  # of a library
        (ENGLISH.encode(), "a.html"),
        (ENGLISH.encode(), "a"),
        (b"<html><body>" + ENGLISH.encode(), "a.txt"),
        (b"%PDF-1.7\n" + ENGLISH.encode(), "a.txt"),
        (ENGLISH.encode("utf-16"), "a.txt"),
        (ENGLISH.encode() + b"\xff", "a.txt"),
        ((ENGLISH + "It costs five â‚¬.").encode(), "a.txt"),  # to be repaired
        (ENGLISH.encode() + b"\x1b[0m", "a.txt"),
        (ENGLISH.encode() * (LARGEST // len(ENGLISH) + 1), "a.txt"),
        (b"Short.", "a.txt"),
        (b"", "a.txt"),
        (b" \n ", "a.txt"),
        ("Die Pumpe der zweiten Linie wird von der Mannschaft geprüft. ".encode() * 5, "a.txt"),
    ],
)
def test_all_else_is_left_to_a_worker(data, name):
    assert parse_evident(data, name) is None


def test_comments_without_end_are_looked_at_once():
    data = b"<!-- x -->" * 800 + b"words"
    assert sniff(data, "a").kind == "text"
    assert sniff(b"<!-- x --> <!-- y -->\n<html>", "a").kind == "html"
    assert sniff(b'<?xml version="1.0"?> <!-- y --><!DOCTYPE html>', "a").kind == "html"
    with pytest.raises(UnreadableDocument):
        sniff(b"", "a")


OTHERS = {
    "de": "Die Pumpe war in den letzten Jahren oft defekt, und das Team hat sie also für die Halle neu bestellt, "
    "weil der Hersteller so lange brauchte und die Ware am Ende nicht in der Halle war.",
    "nl": "Het was in de stad of in het dorp dat de boeren hun waren brachten, en wie niet op tijd kwam had "
    "geen plaats meer, want de markt was vol en het was laat of vroeg op de dag.",
    "da": "Den by har for længe siden fået en ny havn, og for det meste er skibene her for at hente varer, men for "
    "dem som har tid, er byen også god for andre ting.",
    "fr": "La pompe de la deuxième ligne est contrôlée par une équipe, or son dossier est conservé dans les archives "
    "de la ville pour le cas où elle serait remplacée.",
    "pl": "To jest pompa, która to od lat stoi w hali, a to co by się z nią stało, zależy od tego, czy to dozorca by "
    "przyszedł na czas.",
    "pt": "As bombas da segunda linha são verificadas todas as semanas, e as pessoas que as usam guardam as notas para "
    "as outras equipas.",
    "es": "La bomba de la segunda línea se revisa cada semana, y el equipo guarda su registro durante años para que "
    "los demás lo puedan leer.",
}


@pytest.mark.parametrize("language", OTHERS)
def test_no_other_language_is_taken_for_english(language):
    assert not is_plain_english(OTHERS[language])
    assert detect_language(OTHERS[language]) == language


def test_english_needs_enough_of_its_small_words():
    assert is_plain_english(ENGLISH)
    assert detect_language(ENGLISH) == "en"
    assert not is_plain_english("The of and")
    assert not is_plain_english("Pump, valve, rotor, hinge, lens, switch, cable, frame, gauge, filter and the others.")
    assert not is_plain_english("the the the the the the the and and and")
    assert not is_plain_english(OTHERS["de"] + OTHERS["fr"] + ENGLISH)
