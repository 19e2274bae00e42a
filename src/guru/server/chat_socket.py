"""The chat as a WebSocket: several turns over one connection, JSON both ways.

The client sends `{"type": "message", ...}` with the members of `POST /api/v1/chat`, `{"type": "cancel"}`,
`{"type": "reset"}` (forget the turns so far) and `{"type": "ping"}`. The server sends the events of an answer under
their names, then `done` with the whole of it, or `cancelled` or `error`. An `id` of the client's comes back with all of
them. A client that reads slowly slows the model down: nothing piles up here.

A key comes in the header `Authorization`, or, from the script of a page, as the protocol `guru-key.KEY` beside `guru`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from guru.errors import BadRequest, Conflict, GuruError, TooLarge
from guru.server.bodies import decode, explain
from guru.server.chat_api import ChatMessage, choose_model, to_answer, to_messages, to_request
from guru.server.endpoint import Call
from guru.server.errors import as_guru_error, error_response, guru_error
from guru.store.ids import new_id
from guru.types import JSON, Delta, Event, Message

PATH = "/api/v1/chat/ws"
PROTOCOL = "guru"
KEY_PROTOCOL = "guru-key."
"""What comes before a key that is offered as a protocol."""
MAX_HISTORY = 4 << 20
"""Characters that the turns of one connection may hold."""
CLIENT_EVENTS = "message, cancel, reset and ping"


async def chat_socket(socket: WebSocket) -> None:
    """One connection, from the handshake to its end."""
    offered = take_key(socket)
    try:
        call_of(socket).caller("chat.socket").require_member()
    except GuruError as error:
        await socket.send_denial_response(error_response(socket.scope, error))
        return
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    conversation = SocketConversation(socket)
    try:
        while True:
            await conversation.receive(await socket.receive())
    except WebSocketDisconnect:
        pass
    finally:
        await conversation.stop()


def take_key(socket: WebSocket) -> list[str]:
    """The protocols that the client offers. One of them may be its key: scripts of a page can set no headers.

    A key never stands in the address, which servers and proxies write into their logs.
    """
    offered: list[str] = socket.scope["subprotocols"]
    keys = [name.removeprefix(KEY_PROTOCOL) for name in offered if name.startswith(KEY_PROTOCOL)]
    if keys:
        socket.scope["headers"] = [*socket.scope["headers"], (b"authorization", f"Bearer {keys[0]}".encode("latin-1"))]
    return offered


def call_of(socket: WebSocket) -> Call:
    """What the doors of HTTP have. Whoever reads it needs no more than headers and scope, which a socket has too."""
    return Call(socket.scope, socket.receive)


class SocketConversation:
    """The turns of one connection, one after the other."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._history: list[Message] = []
        self._turn: asyncio.Task[None] | None = None
        self._id: Any = None
        self._said: list[str] = []

    async def receive(self, message: Any) -> None:
        """Act on one message of the protocol. Raises `WebSocketDisconnect` when the client is gone."""
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        identifier: Any = None
        try:
            if message.get("text") is None:
                raise BadRequest("Binary messages mean nothing here.", hint="Send JSON as text.")
            body = decode(message["text"].encode(), dict[str, Any])
            kind, identifier = body.pop("type", None), body.pop("id", None)
            await self._act(kind, body, identifier)
        except GuruError as error:
            await self._fail(error, identifier, str(self._socket.scope["guru.trace_id"]))

    async def stop(self) -> bool:
        """End the answer that is being written; whether there was one."""
        if self._turn is None or self._turn.done():
            return False
        self._turn.cancel()
        await asyncio.gather(self._turn, return_exceptions=True)
        return True

    async def _act(self, kind: Any, body: JSON, identifier: Any) -> None:
        match kind:
            case "message":
                self._begin(body, identifier)
            case "cancel":
                if await self.stop():
                    await self._send({"type": "cancelled", "id": self._id, "text": "".join(self._said)})
            case "reset":
                await self.stop()
                self._history = []
            case "ping":
                await self._send({"type": "pong", "id": identifier})
            case _:
                raise BadRequest(f"There is no message of type {kind!r}.", hint=f"There are {CLIENT_EVENTS}.")

    def _begin(self, body: JSON, identifier: Any) -> None:
        if self._turn is not None and not self._turn.done():
            raise Conflict("The answer before is still being written.", hint='Wait for `done`, or send "cancel".')
        try:
            asked = msgspec.convert(body, ChatMessage)
        except msgspec.ValidationError as error:
            raise explain(error, ChatMessage) from None
        asked.stream = True
        messages = to_messages(asked)
        if asked.context is None:
            messages = [*self._history, *messages]
        if sum(len(message.text) for message in messages) > MAX_HISTORY:
            raise TooLarge("The conversation is too long.", hint='Send "reset" to begin a new one.')
        self._id, self._said = identifier, []
        self._turn = asyncio.create_task(self._answer(asked, messages, identifier))

    async def _answer(self, asked: ChatMessage, messages: list[Message], identifier: Any) -> None:
        # A turn is a request of its own: with a trace of its own, by a key that may have been revoked by now.
        trace_id = self._socket.scope["guru.trace_id"] = new_id("tr")
        call = call_of(self._socket)
        try:
            caller = call.caller("chat.socket")
            caller.require_member()
            await choose_model(call, asked)
            events: list[Event] = []
            async with aclosing(call.services.answerers.run(to_request(asked, messages), caller)) as stream:
                async for event in stream:
                    events.append(event)
                    if isinstance(event, Delta):
                        self._said.append(event.text)
                    await self._send(tagged(event, identifier))
            answer = to_answer(events)
            self._history = [*messages, Message("assistant", answer.text)]
            await self._send({"type": "done", "id": identifier, **msgspec.to_builtins(answer)})
        except WebSocketDisconnect:
            pass  # the reader sees it too
        except Exception as error:
            await self._fail(as_guru_error(error, trace_id), identifier, trace_id)

    async def _fail(self, error: GuruError, identifier: Any, trace_id: str) -> None:
        await self._send({"type": "error", "id": identifier, **guru_error(error, trace_id)})

    async def _send(self, event: JSON) -> None:
        """Returns when the connection has taken it: a slow reader is waited for."""
        await self._socket.send({"type": "websocket.send", "text": msgspec.json.encode(event).decode()})


def tagged(event: Struct, identifier: Any) -> JSON:
    """An event by the name of its kind."""
    return {**msgspec.to_builtins(event), "id": identifier}


ROUTES = [WebSocketRoute(PATH, chat_socket)]
