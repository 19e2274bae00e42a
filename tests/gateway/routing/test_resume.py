"""`retry_after_first_token`: begin anew, leave out what was sent, never join two different answers."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import StreamCut
from guru.gateway.routing.resume import Sent
from guru.types import Delta, Started, ToolCallDelta

CUT = StreamCut("Reset by peer.")


@pytest.fixture
def pair(world):
    world.alias("a/x", "b/y", retry_after_first_token=True, retries=0)
    for upstream in world.upstreams.values():
        upstream.script = []
    return world


async def test_the_caller_gets_the_answer_once(pair, helpers):
    pair.upstreams["a/x"].script = [Delta(text="Roses "), Delta(text="are"), CUT]
    pair.upstreams["b/y"].script = helpers.say("Ros", "es are r", "ed.")
    events = [event async for event in pair.stream()]
    assert [event.text for event in events if isinstance(event, Delta)] == ["Roses ", "are", " r", "ed."]
    assert sum(isinstance(event, Started) for event in events) == 1
    assert pair.health("a/x").failures == 1


@pytest.mark.parametrize("second", [["Violets are blue."], ["Roses"]])
async def test_a_second_answer_that_differs_ends_in_an_error(pair, helpers, second):
    pair.upstreams["a/x"].script = [Delta(text="Roses are"), CUT]
    pair.upstreams["b/y"].script = helpers.say(*second)
    with pytest.raises(StreamCut, match="began differently"):
        await pair.ask()
    assert [pair.health(name).in_flight for name in pair.upstreams] == [0, 0]


async def test_tool_calls_are_not_begun_anew(pair):
    pair.upstreams["a/x"].script = [Delta(tool_calls=[ToolCallDelta(0, id="1", name="f")]), CUT]
    with pytest.raises(StreamCut, match="Reset by peer"):
        await pair.ask()
    assert pair.upstreams["b/y"].calls == 0


async def test_when_nobody_is_left_the_error_is_the_one_that_cut_it(pair):
    for upstream in pair.upstreams.values():
        upstream.script = [Delta(text="Roses"), CUT]
    with pytest.raises(StreamCut, match="Reset by peer"):
        await pair.ask()


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6), st.integers(0, 30))
def test_however_it_is_split_the_text_comes_once(text, cuts, sent_before):
    sent = Sent()
    if text[:sent_before]:
        sent.pass_on(Delta(text=text[:sent_before]))
    sent.begin_anew()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    passed = [sent.pass_on(Delta(text=piece)) for piece in pieces]
    assert text[:sent_before] + "".join(event.text for event in passed if event) == text
