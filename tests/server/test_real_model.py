"""The official client against `guru up` with its default model: no double anywhere."""

import json

import openai
import pytest

QUESTION = [{"role": "user", "content": "Name three colours."}]


@pytest.fixture(scope="module")
def client(sample_server):
    with openai.OpenAI(base_url=f"{sample_server.url}/v1", api_key="none", max_retries=0, timeout=240) as client:
        yield client


def chat(client, **options):
    return client.chat.completions.create(model="default", messages=QUESTION, **{"max_tokens": 12} | options)


def test_the_same_seed_gives_the_same_answer_streamed_or_not(client):
    whole = chat(client, seed=7, temperature=0.8).choices[0].message.content
    with chat(client, seed=7, temperature=0.8, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens == 12
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["length"]


def test_stop_ends_the_answer_before_the_word(client):
    answer = chat(client, stop=[","], temperature=0, max_tokens=40).choices[0]
    assert "," not in answer.message.content


def test_a_schema_is_kept(client):
    schema = {
        "type": "object",
        "properties": {"colours": {"type": "array", "items": {"type": "string"}, "maxItems": 2}},
        "required": ["colours"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "colours", "schema": schema, "strict": True}}
    answer = chat(client, response_format=form, max_tokens=80, temperature=0)
    assert isinstance(json.loads(answer.choices[0].message.content)["colours"], list)


def test_a_required_tool_is_called_with_arguments_of_its_schema(client):
    parameters = {
        "type": "object",
        "properties": {"unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
        "required": ["unit"],
    }
    tool = {"type": "function", "function": {"name": "temperature", "parameters": parameters}}
    answer = chat(client, tools=[tool], tool_choice="required", max_tokens=60).choices[0]
    (call,) = answer.message.tool_calls
    assert (call.function.name, answer.finish_reason) == ("temperature", "tool_calls")
    assert json.loads(call.function.arguments)["unit"] in ("celsius", "kelvin")


def test_choices_and_logprobs(client):
    answer = chat(client, n=2, logprobs=True, top_logprobs=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert len(choice.logprobs.content) == 3
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in choice.logprobs.content)


def test_a_text_is_continued(client):
    answer = client.completions.create(model="default", prompt="One, two, three,", max_tokens=4, temperature=0)
    assert answer.choices[0].text.strip().startswith("four")


def test_near_texts_have_near_vectors(client):
    texts = ["A cat sleeps.", "A kitten naps.", "Interest rates rose."]
    vectors = [item.embedding for item in client.embeddings.create(model="embedding", input=texts).data]
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far + 0.3


def test_what_the_model_cannot_do_is_refused(client):
    with pytest.raises(openai.BadRequestError) as raised:
        chat(client, extra_body={"no_such_parameter": 1})
    assert raised.value.body["param"] == "no_such_parameter"
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="default", messages=[{"role": "user", "content": "word " * 20_000}])
    assert raised.value.code == "context_length_exceeded"


def test_a_sample_document_is_asked_and_the_citation_holds(sample_server):
    body = {"question": "How many weeks of parental leave does every parent get?", "collection": "handbook"}
    answer = sample_server.post("/api/v1/ask", body)
    assert answer["outcome"] in ("answered", "quoted")
    assert "22 weeks" in " ".join(citation["quote"] for citation in answer["citations"])
    for citation in answer["citations"]:
        place = f"start={citation['start']}&end={citation['end']}"
        text = sample_server.get(f"/api/v1/documents/{citation['document_id']}/text?{place}")["text"]
        assert text == citation["quote"]
