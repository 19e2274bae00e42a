"""What providers send beside their documentation: calls without arguments, ends that are said twice."""

import json

import pytest

from guru.models.wire import anthropic_answer, cohere_answer, gemini_answer, ollama, openai_answer
from guru.types import Finished


def fed(decoder, *pieces):
    events = [event for piece in pieces for event in decoder.feed(json.dumps(piece).encode())]
    return events + decoder.end()


def arguments(events):
    said = {}
    for event in events:
        for call in getattr(event, "tool_calls", ()):
            said[call.index] = said.get(call.index, "") + call.arguments
    return said


def cohere(kind, index=None, call=None, **more):
    message = {} if call is None else {"delta": {"message": {"tool_calls": call}}}
    return {"type": kind, **({} if index is None else {"index": index}), **message, **more}


def test_cohere_s_calls_without_arguments_have_an_object():
    function = {"name": "now", "arguments": ""}
    events = fed(
        cohere_answer.AnswerDecoder("p", "p/m"),
        cohere("tool-call-start", 0, {"id": "a", "type": "function", "function": function}),
        cohere("tool-call-end", 0),
        cohere("tool-call-start", 1, {"id": "b", "type": "function", "function": function}),
        cohere("tool-call-delta", 1, {"function": {"arguments": '{"x": 1}'}}),
        cohere("tool-call-end", 1),
        cohere("tool-call-end", 7),
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": None}},
    )  # fmt: skip
    assert arguments(events) == {0: "{}", 1: '{"x": 1}'}


def test_cohere_s_whole_calls_without_arguments_have_an_object():
    call = {"id": "a", "type": "function", "function": {"name": "now"}}
    body = {"id": "1", "finish_reason": "TOOL_CALL", "message": {"role": "assistant", "tool_calls": [call]}}
    events = cohere_answer.AnswerDecoder("p", "p/m").whole(json.dumps(body).encode())
    assert arguments(events) == {0: "{}"}


@pytest.mark.parametrize("call", [{"name": "now"}, {"name": "now", "args": None}, {"name": "now", "args": {}}])
def test_gemini_s_calls_without_arguments_have_an_object(call):
    body = {"candidates": [{"content": {"parts": [{"functionCall": call}]}, "finishReason": "STOP"}]}
    assert arguments(fed(gemini_answer.AnswerDecoder("p", "p/m"), body)) == {0: "{}"}


def test_gemini_s_answer_ends_once():
    def piece(text, reason):
        return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason, "index": 0}]}

    events = fed(gemini_answer.AnswerDecoder("p", "p/m"), piece("a", "STOP"), piece("b", "MAX_TOKENS"))
    assert [event.native for event in events if isinstance(event, Finished)] == ["STOP"]


def test_anthropic_s_answer_ends_once():
    message = {"id": "m", "role": "assistant", "content": [], "model": "c", "usage": {"input_tokens": 3}}
    events = fed(
        anthropic_answer.AnswerDecoder("p", "p/m"), {"type": "message_start", "message": message},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    )  # fmt: skip
    assert len([event for event in events if isinstance(event, Finished)]) == 1
    assert events[-1].usage.completion_tokens == 7


def test_members_that_stand_twice_are_read_as_the_last():
    body = (
        b'{"choices": [], "choices": [{"index": 0, "message": {"content": "no", "content": "yes"}, '
        b'"finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}'
    )
    events = openai_answer.AnswerDecoder("p", "m", "p/m").whole(body)
    assert events[0].text == "yes"


@pytest.mark.parametrize(("message", "reason"), [
    ({"content": "Hi"}, "stop"),
    ({"tool_calls": [{"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}, "tool_calls"),
])  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"finish_reason": None}, {"finish_reason": ""}])
def test_a_whole_answer_that_says_no_reason_has_ended_all_the_same(message, reason, more):
    body = {"choices": [{"index": 0, "message": message, **more}]}
    events = openai_answer.AnswerDecoder("p", "m", "p/m").whole(json.dumps(body).encode())
    assert [event.reason for event in events if isinstance(event, Finished)] == [reason]


def test_calls_of_ollama_s_followers_may_be_text():
    """Servers that speak its API send arguments as OpenAI does, as text."""
    call = {"function": {"name": "now", "arguments": '{"zone": "CET"}'}}
    line = {"message": {"role": "assistant", "tool_calls": [call]}, "done": True, "done_reason": "stop"}
    assert arguments(fed(ollama.AnswerDecoder("p", "p/m"), line)) == {0: '{"zone": "CET"}'}
