"""The small chat: whole and streamed."""

from guru.errors import ModelError
from guru.types import Delta
from scripted import say


async def test_a_message_is_answered(server):
    status, answer = await server.post("/api/v1/chat", {"message": "Hi", "context": "You are a pirate."})
    assert (status, answer["text"], answer["finish_reason"]) == (200, "Hello there.", "stop")
    assert (answer["model"], answer["usage"]["total_tokens"], answer["cost"]) == ("test/scripted", 8, None)
    assert answer["trace_id"].startswith("tr_")
    (request,) = server.model.requests
    assert [(m.role, m.content) for m in request.messages] == [("system", "You are a pirate."), ("user", "Hi")]


async def test_the_context_may_be_the_messages_before(server):
    before = [{"role": "user", "content": "I am Ada."}, {"role": "assistant", "content": "Hello Ada."}]
    await server.post("/api/v1/chat", {"message": "Who?", "context": before, "temperature": 0.5, "max_tokens": 9})
    (request,) = server.model.requests
    assert [m.role for m in request.messages] == ["user", "assistant", "user"]
    assert (request.temperature, request.max_tokens) == (0.5, 9)


async def test_a_stream_says_the_same_piece_by_piece(server):
    server.model.script = say("One ", "two.")
    events = await server.events("/api/v1/chat", {"message": "Hi", "stream": True})
    assert [name for name, _ in events] == ["started", "delta", "delta", "finished", "completed", "done"]
    assert "".join(data.get("text", "") for _, data in events) == "One two."


async def test_a_failed_stream_says_so(server):
    server.model.script = [Delta(text="One"), ModelError("The model fell over.")]
    events = dict(await server.events("/api/v1/chat", {"message": "Hi", "stream": True}))
    assert events["error"]["error"]["message"] == "The model fell over."


async def test_an_empty_message_and_an_unknown_field_are_refused(server):
    status, answer = await server.post("/api/v1/chat", {"message": " "})
    assert (status, answer["error"]["param"]) == (400, "message")
    status, answer = await server.post("/api/v1/chat", {"message": "Hi", "modle": "x"})
    assert (status, answer["error"]["hint"]) == (400, "Did you mean `model`?")


async def test_a_collection_grounds_the_answer(server):
    await server.post("/api/v1/collections", {"name": "house"})
    status, answer = await server.post("/api/v1/chat", {"message": "Where is the key?", "collection": "house"})
    assert (status, answer["outcome"], answer["citations"]) == (200, "declined", [])
