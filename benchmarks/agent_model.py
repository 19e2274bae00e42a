"""A scripted model that plays a competent one: it reads what it is shown, and says what follows from that.

It knows the words of a handful of questions, not which task they belong to. Each sentence is a small program whose
calls of tools are looked up in the conversation: where the result of one is not shown, the model asks for that call.
So a strategy that does not show the model what a tool said, or gives it no tool, has the task done wrong or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from guru.types import (
    ChatRequest,
    Completed,
    Delta,
    Event,
    Finished,
    Message,
    ToolCallDelta,
    Usage,
)

CHARACTERS: Final = 4
"""Of a token, about."""
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
NUMBER: Final = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?")
SENTENCE: Final = re.compile(r"(?<=[.?])\s+(?=[A-Z])")
CANNOT: Final = "I cannot do that: there is no tool for it."
WORDS: Final = {"times": "*", "divided by": "/", "plus": "+", "minus": "-", "to the power of": "**"}
KNOWN: Final = {
    r"good morning in French": "Bonjour!",
    r"capital of Italy": "Rome.",
    r"the word guru backwards": "urug",
}
SUBJECTS: Final = {
    "calculator": "calculat", "days_between": "date", "add_days": "date", "day_of_week": "date",
    "search_documents": "handbook", "tables_shop": "shop", "query_shop": "shop", "live_stock": "shop",
    "exchange_rate": "exchange", "old_exchange_rate": "exchange",
}  # fmt: skip
"""What somebody who has a tool says of themselves."""


class Needs(Exception):
    """A call whose result is not shown yet."""

    def __init__(self, tool: str, arguments: dict[str, Any]) -> None:
        super().__init__(tool)
        self.tool = tool
        self.arguments = arguments


class Failed(Exception):
    """A call that came to nothing."""


class Seen:
    """What the conversation shows of calls and their results."""

    def __init__(self, messages: list[Message]) -> None:
        self._results: dict[str, tuple[str, bool]] = {}
        asked: dict[str, str] = {}
        for message in messages:
            for call in message.tool_calls or ():
                asked[call.id] = key_of(call.function.name, json.loads(call.function.arguments))
            if message.role == "user" and message.text.startswith("Found out so far:"):
                self._read_notes(message.text)
            if message.role == "tool" and message.tool_call_id in asked:
                self._results[asked[message.tool_call_id]] = plain(message.text), bool(message.is_error)

    def _read_notes(self, text: str) -> None:
        """What somebody else found out, who has handed over."""
        for found in re.finditer(
            r"^(\w+) (\{[^\n]*\})( failed)?:\n(.*?)(?=^\w+ \{|\Z)", text, re.MULTILINE | re.DOTALL
        ):
            self._results[key_of(found[1], json.loads(found[2]))] = plain(found[4]), bool(found[3])

    def ask(self, tool: str, **arguments: Any) -> str:
        """The result. Raises `Needs` and `Failed`."""
        found = self._results.get(key_of(tool, arguments))
        if found is None:
            raise Needs(tool, arguments)
        if found[1]:
            raise Failed(found[0])
        return found[0]


def plain(text: str) -> str:
    """Without what marks it as data."""
    return re.sub(r"</?data-\w+[^>]*>\n?", "", text).strip()


def key_of(tool: str, arguments: dict[str, Any]) -> str:
    return f"{tool} {json.dumps(arguments, sort_keys=True)}"


def answer(text: str, seen: Seen, it: str = "") -> str:
    """What the sentences of a text come to; `it` is what was said before. Raises `Needs`."""
    try:
        for sentence in [text] if text.startswith("There are") else SENTENCE.split(text):
            it = said(sentence, seen, it)
    except Failed as error:
        return f"I cannot find it out: {error}"
    return it


def said(sentence: str, seen: Seen, it: str) -> str:
    """What one sentence comes to. Raises `Needs` and `Failed`."""
    for pattern, text in KNOWN.items():
        if re.search(pattern, sentence):
            return text
    dates = DATE.findall(sentence)
    if "how many days" in sentence.lower() and len(dates) == 2:
        return f"{seen.ask('days_between', start=dates[0], end=dates[1])} days."
    if found := re.search(r"Which date is (\d+|that many) days after", sentence):
        days = first_number(it) if found[1] == "that many" else found[1]
        return f"It is {seen.ask('add_days', day=dates[0], days=int(float(days)))}."
    if "day of the week" in sentence:
        return f"{seen.ask('day_of_week', day=(dates or DATE.findall(it))[0])}."
    if found := re.search(r"the handbook say about (.+)\?", sentence):
        return passage(found[1], seen.ask("search_documents", query=found[1]))
    if found := re.search(r"exchange rate from euros to (\w+)", sentence):
        return f"One euro is {seen.ask('exchange_rate', currency=found[1]).splitlines()[-1]} {found[1]}."
    if (sql := query_for(sentence, seen)) is not None:
        rows = seen.ask("query_shop", sql=sql).splitlines()
        return f"It is {rows[1]}." if len(rows) > 1 else f"There is no such thing: {rows[0]}"
    if (expression := expression_of(sentence, it)) is not None:
        return f"It is {seen.ask('calculator', expression=expression).split('≈')[-1].strip()}."
    return CANNOT


def first_number(text: str) -> str:
    """Raises `Failed` where there is none."""
    found = NUMBER.search(DATE.sub("", text))
    if found is None:
        raise Failed("there is no number to go on with.")
    return found[0]


def passage(topic: str, found: str) -> str:
    """The passage that has most of the topic's words, as it stands."""
    words = {word[:5] for word in re.findall(r"[a-z]{4,}", topic.lower())}
    passages = [part.partition("\n")[2] for part in found.split("\n\n")]
    return max(passages, key=lambda text: sum(word in text.lower() for word in words))


def query_for(sentence: str, seen: Seen) -> str | None:
    """SQL for what is asked of the shop, by the tables that are shown. Raises `Needs`."""
    if found := re.search(r"How many (\w+?)s are in the warehouse", sentence):
        try:
            seen.ask("live_stock", article=found[1])
        except Failed as error:
            if "database" not in str(error):
                raise
    elif not re.search(r"in stock|cost in our shop|orders? did|revenue from|ordered the most", sentence):
        return None
    if not {"articles", "orders", "price", "stock", "quantity"} <= set(re.findall(r"\w+", seen.ask("tables_shop"))):
        raise Failed("the database has no such tables.")
    if found := found or re.search(r"How many (\w+?)s do we have in stock", sentence):
        return f"SELECT stock FROM articles WHERE name = '{found[1]}'"
    if found := re.search(r"does an? (\w+) cost", sentence):
        return f"SELECT price FROM articles WHERE name = '{found[1]}'"
    if found := re.search(r"orders did (\w+)", sentence):
        return f"SELECT count(*) FROM orders WHERE customer = '{found[1]}'"
    if found := re.search(r"revenue from (\w+?)s\b", sentence):
        joined = "orders JOIN articles ON name = article"
        return f"SELECT round(sum(quantity * price), 2) FROM {joined} WHERE article = '{found[1]}'"
    return "SELECT article FROM orders GROUP BY article ORDER BY sum(quantity) DESC LIMIT 1"


def expression_of(sentence: str, it: str) -> str | None:
    """What is to be calculated; None where nothing is."""
    if found := re.search(r"There are (\d+) \w+ with (\d+) \w+ each", sentence):
        return f"{found[1]} * {found[2]}"
    if found := re.search(r"(?:Multiply|Divide) it by ([\d.]+)", sentence.rstrip(".")):
        return f"{first_number(it)} {'*' if sentence.startswith('M') else '/'} {found[1]}"
    if found := re.search(r"(Take|Add) (\d+) % (?:off|to it)", sentence):
        return f"{first_number(it)} * (1 {'-' if found[1] == 'Take' else '+'} {found[2]} / 100)"
    if found := re.search(r"square root of (\d+)", sentence):
        return f"sqrt({found[1]})"
    if found := re.search(r"(?:What is|How much is) ([\d(].*)\?", sentence):
        written = found[1].replace("% of", "/ 100 *")
        for word, sign in WORDS.items():
            written = written.replace(word, sign)
        return written if re.fullmatch(r"[\d.()+*/\s-]+", written) else None
    return None


class Competent:
    """Implements `guru.protocols.ChatModel`."""

    name = "test/competent"
    context_length = 100_000
    small = False

    def complete(self, request: Any) -> AsyncIterator[Event]:
        raise AssertionError

    async def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        reply = reply_to(request)
        if isinstance(reply, Needs):
            arguments = json.dumps(reply.arguments)
            yield Delta(tool_calls=[ToolCallDelta(0, f"call_{len(request.messages)}", reply.tool, arguments)])
            written = len(reply.tool) + len(arguments)
        else:
            yield Delta(text=reply)
            written = len(reply)
        yield Finished("stop")
        read = sum(len(message.text) for message in request.messages)
        read += sum(len(json.dumps(tool.function.parameters)) for tool in request.tools)
        yield Completed(
            model=self.name, usage=Usage(prompt_tokens=read // CHARACTERS, completion_tokens=-(-written // CHARACTERS))
        )


def reply_to(request: ChatRequest) -> str | Needs:
    messages = request.messages
    asked = next(message.text for message in reversed(messages) if message.role == "user")
    first = next(
        message.text for message in messages if message.role == "user" and not message.text.startswith("Found out")
    )
    goal = first.partition("\n\nThink step by step.")[0]
    seen = Seen(messages)
    if request.response_format is not None:
        members = request.response_format["json_schema"]["schema"]["properties"]
        return json.dumps(form(members, asked, goal, seen, messages))
    it = ""
    if found := re.search(r"Done so far:\n(.*)\n\nDo this next step, and only it:\n(.*)", asked, re.DOTALL):
        it, goal = found[1].splitlines()[-1], found[2]
    elif found := re.search(r"What was found out:\n(.*)\n\nAnswer the request from it", asked, re.DOTALL):
        return found[1].splitlines()[-1]
    elif "Write the next thought" in asked:
        return thought(goal, asked, request.seed or 0)
    try:
        told = answer(goal, seen, it)
    except Needs as need:
        return call(need, request)
    return f"{goal}\nAnswer: {told}" if "Answer: " in asked else told


def call(need: Needs, request: ChatRequest) -> str | Needs:
    """The call, where the model has the tool; else that of whoever has it; else that it cannot."""
    tools = {tool.function.name: tool.function.description or "" for tool in request.tools}
    if need.tool in tools:
        return need
    for name, description in tools.items():
        if name.startswith("transfer_to_") and SUBJECTS[need.tool] in description.lower():
            return Needs(name, {})
    return CANNOT


def form(members: dict[str, Any], asked: str, goal: str, seen: Seen, messages: list[Message]) -> dict[str, Any]:
    """What is asked for as JSON: a plan, its review, a critic's list, an agent, a rating."""
    if "steps" in members:
        left = re.search(r"Left of the plan:\n(.*)\n\nWrite the steps", asked, re.DOTALL)
        if left:
            return {"steps": left[1].splitlines()}
        return {"steps": [goal] if goal.startswith("There are") else SENTENCE.split(goal)}
    if "problems" in members:
        draft = next(message.text for message in reversed(messages) if message.role == "assistant")
        return {"problems": [] if draft.strip() else ["There is no answer."]}
    if "agent" in members:
        try:
            answer(goal, seen)
        except Needs as need:
            lines = re.findall(r"^- (\w+): (.*)$", asked, re.MULTILINE)
            return {"agent": next((name for name, text in lines if SUBJECTS[need.tool] in text.lower()), "none")}
        return {"agent": "none"}
    path = asked.partition("So far:\n")[2].partition("\n\nHow likely")[0]
    return {"rating": 1 if "guess" in path.lower() else 9}


def thought(goal: str, asked: str, seed: int) -> str:
    """The next sentence to see to; of three tries, one is a guess."""
    if seed % 3 == 2:
        return "I guess that it is about 7."
    path = asked.partition("So far:\n")[2].partition("\n\nWrite")[0].splitlines()
    steps = SENTENCE.split(goal)
    done = sum(line.startswith(("Then", "First")) for line in path)
    if done >= len(steps):
        return "Then I say what came of it."
    return f"{'Then' if done else 'First'} I see to this{' with a tool' * (seed % 3)}: {steps[done]}"
