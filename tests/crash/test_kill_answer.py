"""`kill -9` in the middle of a streamed answer: what was said stays, marked as interrupted, and talk goes on."""

import http.client
import json
import urllib.parse

import pytest

from running import serving


@pytest.mark.slow
def test_a_killed_answer_keeps_its_row_and_the_talk_goes_on(home, runs, chance, assert_sound, watched_kill):
    for number in range(runs):
        pieces = chance.randrange(1, 120)
        group = chance.random() < 0.5
        print(f"run {number}: kill the {'group' if group else 'server'} after {pieces} pieces")
        with serving(home) as server:
            conversation = server.post("/api/v1/conversations", {})["id"]
            stream = stream_message(server, conversation, "Tell a long story about a lighthouse and its keeper.")
            message = next(stream)
            seen = "".join(next(stream) for _ in range(pieces))
            watched_kill(server.process, group=group)
        assert_sound(home)
        with serving(home) as server:
            user, assistant = server.get(f"/api/v1/conversations/{conversation}")["messages"]
            assert (user["status"], user["content"]) == ("complete", message["user"]["content"])
            assert (assistant["id"], assistant["status"]) == (message["assistant"]["id"], "interrupted")
            assert seen.startswith(assistant["content"]) or assistant["content"].startswith(seen)
            again = stream_message(server, conversation, "Say yes.", max_tokens=4)
            assert next(again)["assistant"]["parent_id"]
            assert "".join(again)
            statuses = [row["status"] for row in server.get(f"/api/v1/conversations/{conversation}")["messages"]]
            assert statuses == ["complete", "interrupted", "complete", "complete"]


def stream_message(server, conversation, content, max_tokens=400):
    """Send a message; yields the rows that it made, then the answer piece by piece."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=60)
    body = json.dumps({"content": content, "max_tokens": max_tokens, "temperature": 0.8, "seed": 7})
    path = f"/api/v1/conversations/{conversation}/messages"
    connection.request("POST", path, body, {"content-type": "application/json"})
    response = connection.getresponse()
    event = ""
    try:
        while line := response.readline().decode():
            if line.startswith("event: "):
                event = line[7:].strip()
            elif line.startswith("data: ") and event == "message":
                yield json.loads(line[6:])
            elif line.startswith("data: ") and event == "delta":
                yield json.loads(line[6:]).get("text", "")
            elif line.startswith("data: ") and event == "error":
                raise AssertionError(line)
    finally:
        response.close()
        connection.close()
