"""The default local model, which calls no tool by itself, led to the calculator."""

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
