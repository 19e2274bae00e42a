"""A model server that fails on purpose, and keeps the books of what it served.

    python upstream.py PORT BOOKS SEED SHARE

It speaks OpenAI's chat completions. Of the requests, SHARE (0 to 1) meet a fault: a reset before or in the middle of
the answer, 429, 500, silence, or garbage. An answer repeats the last word of the question, so that a client can tell
its own. BOOKS gets a line of JSON for each answer: what it was billed.
"""

import asyncio
import json
import random
import socket
import struct
import sys
from pathlib import Path

from aiohttp import web

FAULTS = ("reset", "reset_stream", "cut_stream", "429", "500", "silence", "garbage")
WORDS = 6
"""Tokens of an answer: each piece of a stream is one."""


class Upstream:
    def __init__(self, books, seed, share):
        self.books = Path(books).open("a", buffering=1)  # noqa: SIM115
        self.random = random.Random(seed)
        self.share = share

    async def chat(self, request):
        body = await request.json()
        fault = self.random.choice(FAULTS) if self.random.random() < self.share else None
        await asyncio.sleep(self.random.random() * 0.01)
        if fault == "429":
            return web.json_response(
                error("slow down", "rate_limit_exceeded"), status=429, headers={"retry-after": "0"}
            )
        if fault == "500":
            return web.json_response(error("it broke", "server_error"), status=500)
        if fault == "reset":
            return reset(request)
        if fault == "silence":
            await asyncio.sleep(30)
            return reset(request)
        mark = body["messages"][-1]["content"].split()[-1]
        prompt = len(body["messages"][-1]["content"].split())
        if body.get("stream"):
            return await self.stream(request, mark, prompt, fault)
        if fault in ("garbage", "reset_stream", "cut_stream"):
            return web.Response(text="<html>oops", content_type="application/json")
        usage = billed(prompt, WORDS)
        self.books.write(json.dumps({"mark": mark, "whole": True} | usage) + "\n")
        message = {"role": "assistant", "content": " ".join([mark] * WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )

    async def stream(self, request, mark, prompt, fault):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(WORDS):
            if number == WORDS // 2 and fault is not None:
                self.books.write(json.dumps({"mark": mark, "whole": False} | billed(prompt, number)) + "\n")
                if fault == "garbage":
                    await response.write(b"data: {nonsense\n\n")
                    return response
                if fault == "reset_stream":
                    return reset(request)
                await asyncio.sleep(0.05)  # what was sent arrives; then the connection ends without an end
                request.transport.close()
                return response
            text = mark if number == 0 else f" {mark}"
            await response.write(event(choices=[{"index": 0, "delta": {"content": text}}]))
        await response.write(event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        usage = billed(prompt, WORDS)
        self.books.write(json.dumps({"mark": mark, "whole": True} | usage) + "\n")
        await response.write(event(choices=[], usage=usage) + b"data: [DONE]\n\n")
        return response


def billed(prompt, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def event(**members):
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps(head | members).encode() + b"\n\n"


def error(message, code):
    return {"error": {"message": message, "type": code, "code": code, "param": None}}


def reset(request):
    """End the connection at once, with RST."""
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


async def main(port, books, seed, share):
    upstream = Upstream(books, int(seed), float(share))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
