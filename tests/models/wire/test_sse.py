"""The parser of providers' event streams: any split of the bytes gives the same events."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guru.errors import StreamCut
from guru.models.wire.sse import EventStreamParser, SentEvent

STREAM = (
    "\ufeff: a comment that keeps the line open\n\n"
    'data: {"text": "naïve 🦊"}\n\n'
    "event: content_block_delta\r\ndata: {}\r\n\r\n"
    ":\n\nevent: ping\n\n"
    "data:first\rdata: second\rdata\rid: 7\rretry: 5\r\r"
    "\n\n\ndata:  two spaces\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    SentEvent('{"text": "naïve 🦊"}'.encode()),
    SentEvent(b"{}", "content_block_delta"),
    SentEvent(b"first\nsecond\n"),
    SentEvent(b" two spaces"),
    SentEvent(b"[DONE]"),
]


def parse(pieces):
    parser = EventStreamParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def cut(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
@example(list(range(len(STREAM))))
@example([])
def test_bytes_may_be_split_anywhere(places):
    assert parse(cut(STREAM, places)) == EVENTS


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.data(),
)
def test_what_was_sent_arrives(texts, line_end, data):
    stream = "".join(f"data: {text}{line_end}{line_end}" for text in texts).encode()
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert [event.data.decode() for event in parse(cut(stream, places))] == texts


def test_an_event_is_given_out_as_soon_as_its_empty_line_is_there():
    parser = EventStreamParser()
    assert parser.feed(b"data: 1\r\n\r") == [SentEvent(b"1")]
    assert parser.feed(b"\ndata: 2\n") == []
    assert parser.feed(b"\n") == [SentEvent(b"2")]


def test_a_last_event_without_its_empty_line_is_not_lost():
    parser = EventStreamParser()
    assert parser.feed(b"data: 1\n\ndata: [DONE]") == [SentEvent(b"1")]
    assert parser.end() == [SentEvent(b"[DONE]")]
    assert parser.end() == []


def test_an_event_without_end_is_cut_off():
    parser = EventStreamParser(limit=1 << 20)
    with pytest.raises(StreamCut):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 20_000)
