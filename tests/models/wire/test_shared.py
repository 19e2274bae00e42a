"""What the requests to several providers have in common, tried through all of them."""

import pytest

from guru.errors import InvalidParameter
from guru.models.wire import anthropic_request, bedrock_request, cohere_request, gemini_request, ollama
from guru.types import ChatRequest, FilePart, FunctionCall, Message, TextPart, ToolCall

ENCODERS = {
    "anthropic": lambda request, *drop: anthropic_request.encode_request(request, "claude-sonnet-4-5", drop),
    "bedrock": lambda request, *drop: bedrock_request.encode_request(request, "anthropic.claude-sonnet-4-5", drop),
    "gemini": lambda request, *drop: gemini_request.encode_request(request, "gemini-3-pro", drop),
    "ollama": lambda request, *drop: ollama.encode_request(request, "llama3.2", drop),
    "cohere": lambda request, *drop: cohere_request.encode_request(request, "command-a", drop),
}
PDF = "data:application/pdf;base64,JVBERi0="


def ask(*messages):
    return ChatRequest(model="m", messages=[Message("user", "Go"), *messages])


def called(arguments):
    return Message("assistant", tool_calls=[ToolCall(id="call_1", function=FunctionCall("f", arguments))])


@pytest.mark.parametrize("arguments", ["[" * 100_000, "{", "[]", "1", '{"a": 1} 2'])
@pytest.mark.parametrize("name", ["anthropic", "bedrock", "gemini", "ollama"])
def test_arguments_that_are_no_object_are_the_callers_mistake(name, arguments):
    with pytest.raises(InvalidParameter) as caught:
        ENCODERS[name](ask(called(arguments)))
    assert caught.value.param == "messages[1].tool_calls[0].function.arguments"
    assert caught.value.hint


@pytest.mark.parametrize("name", ENCODERS)
def test_the_name_of_a_speaker_is_refused_or_left_out(name):
    request = ask(Message("user", "Hi", name="ada"))
    with pytest.raises(InvalidParameter, match="does not take") as caught:
        ENCODERS[name](request)
    assert caught.value.param == "messages[1].name"
    assert "ada" not in str(ENCODERS[name](request, "name"))


def test_results_of_tools_may_be_nested_deeply():
    result = Message("tool", "[" * 100_000, tool_call_id="call_1")
    body = ENCODERS["gemini"](ask(called("{}"), result))
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "[" * 100_000}


@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
@pytest.mark.parametrize("content", ["\n\n", [TextPart("\n\n")]])
def test_the_spaces_that_models_write_before_a_call_are_left_out(name, content):
    """They are refused: "text content blocks must contain non-whitespace text"."""
    message = called("{}")
    message.content = content
    (block,) = ENCODERS[name](ask(message))["messages"][1]["content"]
    assert "text" not in block


def test_documents_have_names_of_their_own_in_a_conversation_of_bedrock():
    """Two of one name are refused, whatever their case: https://github.com/maximhq/bifrost/issues/7003."""

    def file(name=None):
        return FilePart({"file_data": PDF, **({"filename": name} if name else {})})

    read = called("{}")
    body = ENCODERS["bedrock"](ask(
        Message("user", [TextPart("Read"), file(), file(), file("Report.pdf")]), read,
        Message("tool", [file("report.PDF")], tool_call_id="call_1"), Message("user", [file("report.docx")]),
    ))  # fmt: skip
    names = []
    for turn in body["messages"]:
        for block in turn["content"]:
            inner = block["toolResult"]["content"] if "toolResult" in block else [block]
            names += [each["document"]["name"] for each in inner if "document" in each]
    assert names == ["document", "document (2)", "Report", "report (2)", "report (3)"]
