"""Endpoints of SageMaker: OpenAI's answers inside Amazon's envelopes, through the suite that every provider passes."""

import json

import pytest

from guru.errors import (
    BadRequest,
    ContextTooLong,
    ModelNotFound,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models.providers.sagemaker import PayloadParser
from guru.types import Usage
from models.providers.conformance import KEY, PIXEL, Conformance, Exchange, ask, hear
from models.providers.replay import Reply, answer
from models.providers.test_bedrock import amazon, check_signature, failing
from models.wire.test_aws_event_stream import encode_message

HEAD = {"id": "", "object": "chat.completion", "created": 1711723041, "model": "tgi", "system_fingerprint": "1.4.4"}
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}

__all__ = ["amazon"]


def whole(reason="stop", **message):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": reason}
    return answer(HEAD | {"choices": [choice], "usage": USAGE})


def chunk(delta, reason=None):
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "logprobs": None, "finish_reason": reason}
    return HEAD | {"object": "chat.completion.chunk", "choices": [choice]}


def part(payload):
    return encode_message(
        payload, event_type="PayloadPart", content_type="application/octet-stream", message_type="event"
    )  # fmt: skip


def payloads(*chunks, more=b""):
    """The container's events, in envelopes of thirteen bytes: cut inside lines and characters."""
    events = "".join(f"data:{json.dumps(each, ensure_ascii=False)}\n\n" for each in chunks) + "data: [DONE]\n\n"
    body = events.encode()
    pieces = b"".join(part(body[start : start + 13]) for start in range(0, len(body), 13))
    return Reply(pieces + more, media_type="application/vnd.amazon.eventstream")


def said(*pieces, reason="stop"):
    last = HEAD | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    return Exchange(
        whole(reason, content="".join(pieces)),
        payloads(*(chunk({"content": piece}) for piece in pieces), chunk({"content": ""}, reason), last),
        text="".join(pieces), usage=Usage(30, 12), reason=reason,
    )  # fmt: skip


def calling(*cities):
    calls = [
        {"index": index, "id": f"call_{city}", "type": "function",
         "function": {"name": "get_weather", "arguments": json.dumps({"city": city})}}
        for index, city in enumerate(cities)
    ]  # fmt: skip
    last = HEAD | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    return Exchange(
        whole("tool_calls", content=None, tool_calls=calls),
        payloads(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "tool_calls"), last),
        calls=[("get_weather", {"city": city}) for city in cities], usage=Usage(30, 12), reason="tool_calls",
    )  # fmt: skip


def container(status, message):
    """What SageMaker says of an error of the container's."""
    said = f'Received server error ({status}) from primary with message "{message}".'
    body = {"ErrorCode": "X", "LogStreamArn": "a", "Message": said, "OriginalMessage": message,
            "OriginalStatusCode": status}  # fmt: skip
    return answer(body, 424, **{"x-amzn-errortype": "ModelError"})


def fault(kind, **members):
    return Reply(
        part(b'data:{"choices"')
        + encode_message(json.dumps(members).encode(), exception_type=kind, message_type="exception")
    )


class TestSageMaker(Conformance):
    kind = "sagemaker"
    model = "my-endpoint"
    settings = {"region": "eu-west-3"}
    exchanges = {
        "text": said("Hello", "! 🦊 Ça va?"),
        "tools": calling("Paris"),
        "parallel_tools": calling("Paris", "Rome"),
        "images": said("A single", " pixel."),
        "json_schema": said('{"answer"', ":42}"),
        "stop": said("one, two,", " "),
        "long": said("one", reason="length"),
    }
    errors = [
        (container(422, "Template error: undefined"), BadRequest),
        (container(422, "`inputs` tokens + `max_new_tokens` must be <= 4096"), ContextTooLong),
        (container(429, "Model is overloaded"), UpstreamRateLimited),
        (container(500, "CUDA out of memory"), ModelUnavailable),
        (failing(400, "ValidationError", "1 validation error detected", member="Message"), BadRequest),
        (failing(403, "AccessDeniedException", "not authorized to perform: sagemaker:InvokeEndpoint", "Message"),
         ProviderRefused),
        (failing(404, "ValidationError", "Endpoint my-endpoint not found.", member="Message"), ModelNotFound),
        (failing(429, "ThrottlingException", "Rate exceeded"), UpstreamRateLimited),
        (failing(503, "ServiceUnavailable"), ModelUnavailable),
    ]  # fmt: skip
    stream_errors = [
        (fault("ModelStreamError", Message="Timed out", ErrorCode="ModelInvocationTimeExceeded"), ModelUnavailable),
        (fault("InternalStreamFailure", Message="Broken"), ModelUnavailable),
        (Reply(part(b"data:{}") + encode_message(b"\xff", exception_type="ModelStreamError", message_type="exception")),
         ModelUnavailable),
    ]  # fmt: skip

    @pytest.fixture(autouse=True)
    def _amazon(self, amazon):
        return amazon

    def check_credentials(self, sent):
        check_signature(sent, f"http://{sent.headers['host']}", "sagemaker")

    def check_request(self, case, sent):
        body = sent.json
        operation = "invocations-response-stream" if body.get("stream") else "invocations"
        assert (sent.method, sent.path) == ("POST", f"/endpoints/my-endpoint/{operation}")
        assert body["model"] == "my-endpoint"
        match case:
            case "text":
                assert body["messages"][0] == {"role": "system", "content": "You are brief."}
            case "tools" | "parallel_tools":
                assert body["tools"][0]["function"]["name"] == "get_weather"
            case "images":
                url = body["messages"][0]["content"][1]["image_url"]["url"]
                assert url == f"data:image/png;base64,{PIXEL}"
            case "json_schema":
                assert body["response_format"]["json_schema"]["name"] == "result"
            case "stop":
                assert body["stop"] == ["five"]

    async def test_secrets_are_not_repeated(self, server, http):
        server.say(self.exchanges["text"].whole)
        provider = self.make(server, http)
        await hear(provider.chat_model(self.model), ask())
        assert KEY not in repr(provider)
        assert KEY not in json.dumps(server.last.headers)

    async def test_the_models_are_those_of_the_configuration(self, server, http, monkeypatch):
        provider = self.make(server, http, models=["my-endpoint"])
        assert await provider.list_models() == ["my-endpoint"]
        await provider.check()
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(ProviderRefused):
            await self.make(server, http).check()
        assert server.requests == []


@pytest.mark.parametrize("status", ["x", [], 10**400, None, True, 1.5])
def test_an_exception_of_an_odd_status_is_one_of_the_model(status):
    fields = json.dumps({"originalStatusCode": status, "Message": "Broken"}).encode()
    with pytest.raises(ModelUnavailable, match="Broken"):
        PayloadParser("acme").feed(encode_message(fields, exception_type="ModelError", message_type="exception"))


def test_garbage_and_cut_messages_are_cuts():
    with pytest.raises(StreamCut):
        PayloadParser("acme").feed(b"data: {}\n\n" * 3)
    parser = PayloadParser("acme")
    parser.feed(part(b"data: {}\n\n")[:-1])
    with pytest.raises(StreamCut):
        parser.end()
