"""The default local model, which calls no tool by itself, led to the calculator."""

import openai
import pytest

REQUESTS = {
    "What is 123 times 45?": ["5535", "5,535"],
    "What is 999 minus 345?": ["654"],
    "How much is 17 percent of 230?": ["39.1"],
}


@pytest.mark.slow
def test_the_default_model_calls_the_calculator_rightly(sample_server):
    sample_server.post("/api/v1/agents", {"name": "reckoner", "tools": ["calculator"]})
    for request, right in REQUESTS.items():
        run = sample_server.post("/api/v1/agents/reckoner/runs", {"input": request})
        assert run["status"] == "done", run["error"]
        assert any(number in run["answer"] for number in right), run["answer"]
        tools = [step for step in run["log"] if step["kind"] == "tool"]
        assert [step["name"] for step in tools] == ["calculator"] and not tools[0]["result"]["failed"]
    run = sample_server.post(
        "/api/v1/agents/reckoner/runs", {"input": "Hello, how are you?", "changes": {"max_tokens": 20}}
    )
    assert [step["kind"] for step in run["log"]] == ["choice", "model"]


@pytest.mark.slow
def test_what_the_default_model_writes_is_streamed(sample_server):
    sample_server.post("/api/v1/agents", {"name": "teller", "tools": ["calculator"], "max_tokens": 120})
    asked = [{"role": "user", "content": "Tell me a story about a dragon."}]
    with (
        openai.OpenAI(base_url=f"{sample_server.url}/v1", api_key="none", max_retries=0, timeout=240) as client,
        client.chat.completions.create(model="agent/teller", messages=asked, stream=True) as stream,
    ):
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    (run,) = sample_server.get("/api/v1/runs?agent=teller")["runs"]
    assert "".join(pieces) == run["answer"] and len(list(filter(None, pieces))) > 1
