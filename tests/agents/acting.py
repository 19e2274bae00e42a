"""A model that says what a test has written for it, and tools that count what they do."""

import json

from guru.agents.tools.function import FunctionTool
from guru.types import Completed, Delta, Finished, ToolCallDelta, Usage


class Scripted:
    """Answers each request by a function of it, or by the next of a list: a text, or calls as `("tool", {...})`."""

    name = "test/scripted"
    context_length = 8192
    small = False

    def __init__(self, *answers, by=None):
        self.answers = list(answers)
        self.by = by
        self.requests = []

    async def chat(self, request):
        self.requests.append(request)
        answer = self.by(request) if self.by is not None else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        for event in events_of(answer, len(self.requests)):
            yield event


def events_of(answer, number=1):
    if isinstance(answer, str):
        found = [Delta(text=answer), Finished("stop")]
    else:
        calls = [answer] if isinstance(answer, tuple) else answer
        pieces = [
            ToolCallDelta(
                index,
                f"call_{number}_{index}",
                name,
                arguments if isinstance(arguments, str) else json.dumps(arguments),
            )
            for index, (name, arguments) in enumerate(calls)
        ]
        found = [Delta(tool_calls=pieces), Finished("tool_calls")]
    return [*found, Completed(model="test/scripted", usage=Usage(prompt_tokens=10, completion_tokens=5), cost=0.01)]


def sequence(*answers):
    """A script for a model: what it says after so many results."""
    return lambda request: answers[min(sum(m.role == "tool" for m in request.messages), len(answers) - 1)]


class World:
    """Something that tools change, and that says what was done to it."""

    def __init__(self):
        self.done = []
        self.fails = {}

    def tools(self):
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            self.done.append(("add", a, b))
            return a + b

        def send(to: str, text: str = "") -> str:
            """Send a mail."""
            self.done.append(("send", to, text))
            if self.fails.get("send"):
                self.fails["send"] -= 1
                raise OSError("the mail server is away")
            return f"sent to {to}"

        def look(page: str) -> str:
            """Read a page."""
            self.done.append(("look", page))
            if self.fails.get("look"):
                self.fails["look"] -= 1
                raise OSError("no answer")
            return self.pages.get(page, f"the page {page}")

        def peek(page: str) -> str:
            """Read a page elsewhere."""
            self.done.append(("peek", page))
            return f"elsewhere: {page}"

        def pay(amount: int) -> str:
            """Pay."""
            self.done.append(("pay", amount))
            return f"paid {amount}"

        return [
            FunctionTool(add),
            FunctionTool(send, effect="write", repeatable=False),
            FunctionTool(look, effect="read"),
            FunctionTool(peek, effect="read"),
            FunctionTool(pay, effect="write", approval=True, repeatable=False),
        ]

    pages = {}
