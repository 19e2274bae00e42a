"""What strategies are made of: think, call tools, and go on until there is an answer.

Models call tools in one of three ways: by themselves (`native`); in words, as ReAct has it (`text`); or, where they are
too weak for both, led (`guided`): the tool is chosen by what the request means, and a schema holds the arguments.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from guru.agents.agent import Agent
from guru.agents.loop import Steps
from guru.agents.steps import AnswerIn, ModelCall, Part, Question, Reply, Result, Returned, Said, ToolCall
from guru.agents.strategies import guided, mark, text
from guru.agents.tools.base import ToolSpec
from guru.agents.tools.marking import INSTRUCTIONS, MOST, marked, new_word, shortened
from guru.config.agent import ToolExample
from guru.types import JSON, FunctionCall, Message, TextPart
from guru.types import ToolCall as MessageCall

Way = Literal["native", "text", "guided"]
Thinking = Generator[list[Part], list[Result], Reply]

ASK_PERSON = ToolSpec(
    name="ask_person",
    description="Ask the person you work for, where only they can know or decide. They may take long to answer.",
    parameters={
        "type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"],
        "additionalProperties": False,
    },
)  # fmt: skip
"""A tool that every agent may be given: its call is a question, and the run waits for the answer."""


class Member(Struct, kw_only=True, frozen=True):
    """An agent with what it needs to work: its tools, and how its model calls them."""

    agent: Agent
    tools: list[ToolSpec] = []
    way: Way = "native"
    examples: list[ToolExample] = []
    shown: int = MOST
    """Characters of a tool's result that it is shown."""


class Work(Struct, kw_only=True, frozen=True):
    """What a strategy works on."""

    me: Member
    messages: list[Message]
    """What was said so far. The last one is the request."""
    team: Mapping[str, Member] = {}
    """Other agents, by name."""
    word: str = field(default_factory=new_word)
    """What marks the results of tools as data: a word that nobody outside knows, the same whenever the run goes on."""
    outside: bool = False
    """Whether the request itself brings something from outside, marked in the same way."""
    answers: bool = True
    """Whether what is said in the end is the answer of the run, and not only something that it is made of."""

    @property
    def agent(self) -> Agent:
        return self.me.agent

    @property
    def request(self) -> str:
        return self.messages[-1].text

    @property
    def marks(self) -> bool:
        """Whether a model that calls tools by itself marks its answer."""
        return self.answers and self.agent.mark_answer

    def prompt(self, *more: str) -> list[Message]:
        """The instructions, and what was said so far."""
        reads = INSTRUCTIONS if self.outside or any(tool.reads for tool in self.me.tools) else ""
        words = "\n\n".join(part for part in (self.agent.instructions, *more, reads) if part)
        return [*([Message("system", words)] if words else []), *self.messages]


def ask(
    work: Work, messages: list[Message], purpose: str, *, tools: Sequence[ToolSpec] = (), schema: JSON | None = None,
    temperature: float | None = None, seed: int | None = None, answer: AnswerIn = "no", before: str = "",
) -> ModelCall:  # fmt: skip
    """A call of the agent's model. `answer` says where the answer is in it, if the work has one."""
    agent = work.agent
    return ModelCall(
        messages=list(messages), purpose=purpose, tools=list(tools), schema=schema, seed=seed, model=agent.model,
        temperature=temperature if agent.temperature is None else agent.temperature, max_tokens=agent.max_tokens,
        agent=agent.name, answer=answer if work.answers else "no", before=before,
    )  # fmt: skip


def single(part: Part) -> Generator[list[Part], list[Result], Any]:
    """A step of one part, and what came of it."""
    (result,) = yield [part]
    return result


def say(call: ModelCall) -> Thinking:
    """A step that asks the model."""
    reply: Reply = yield from single(call)
    return reply


def write(work: Work, messages: list[Message]) -> Steps:
    """The answer, without tools."""
    reply = yield from say(ask(work, messages, "answer", answer="whole"))
    return reply.text.strip()


def fill(work: Work, messages: list[Message], purpose: str, schema: JSON) -> Generator[list[Part], list[Result], JSON]:
    """What the model says as JSON that holds to `schema`; {} where it wrote none."""
    reply = yield from say(ask(work, messages, purpose, schema=schema, temperature=0.0))
    return read_object(reply.text)


def think(
    work: Work, messages: list[Message], temperature: float | None = None, seed: int | None = None, *, before: str = ""
) -> Thinking:
    """The model's next words, or the tools that it wants called. `before` is what there is of the answer already."""
    tools = work.me.tools
    warmth: dict[str, Any] = {"temperature": temperature, "seed": seed}
    if not tools:
        reply = yield from say(ask(work, messages, "answer", answer="whole", before=before, **warmth))
        return msgspec.structs.replace(reply, calls=[])
    if work.me.way == "text":
        told = text.describe(messages, tools)
        reply = yield from say(ask(work, told, "think", answer="words", before=before, **warmth))
        return text.read(reply)
    if work.me.way == "guided":
        return (yield from lead(work, messages, before))
    told = mark.describe(messages) if work.marks else messages
    where: AnswerIn = "marked" if work.marks else "no"
    return (yield from say(ask(work, told, "think", tools=tools, answer=where, before=before, **warmth)))


def answer_in(work: Work, reply: Reply, before: str) -> str:
    """The answer as far as it is known after a reply of `think`."""
    if work.marks and work.me.tools and work.me.way == "native":
        return mark.joined(before, mark.read(reply))
    return before if reply.calls else mark.joined(before, reply.text.strip())


def lead(work: Work, messages: list[Message], before: str) -> Thinking:
    """Choose a tool for a model that cannot, and have it fill in the arguments; once for each request.

    What it says of results is the answer only where they are in it, which nobody can tell before its end.
    """
    request = work.request  # what a strategy says around it would only blur what it is near to
    said = next(message.text for message in reversed(messages) if message.role == "user")
    asked = said if request in said else request  # the words of a reviewer alone would be taken for the request
    if guided.has_results(messages):
        reply = yield from say(ask(work, guided.with_results(messages, asked), "answer", temperature=0.0))
        return msgspec.structs.replace(reply, text=guided.settled(reply.text, messages, asked), calls=[])
    tools = {tool.name: tool for tool in work.me.tools}
    chosen = yield from single(guided.choice(request, tools.values(), work.me.examples))
    if chosen.option not in tools:
        reply = yield from say(ask(work, messages, "answer", answer="whole", before=before))
        return msgspec.structs.replace(reply, calls=[])
    tool = tools[chosen.option]
    if guided.takes_nothing(tool):
        return Reply(text="", calls=[ToolCall(name=tool.name, arguments="{}")])
    prompt = guided.arguments_prompt(tool, work.me.examples, chosen.near, asked)
    written: list[str] = []
    for temperature, seed in guided.TRIES:
        call = ask(work, prompt, "arguments", schema=tool.parameters, temperature=temperature, seed=seed)
        written.append((yield from say(call)).text)
        if not guided.leaves_out(request, written[-1]):
            break
    else:
        written.append(written[0])
    return Reply(text="", calls=[ToolCall(name=tool.name, arguments=written[-1])])


def act(work: Work, messages: list[Message], reply: Reply) -> Generator[list[Part], list[Result], list[Message]]:
    """Call the tools that a reply asks for, all at the same time; what was said until then, with their results."""
    calls = [
        msgspec.structs.replace(call, id=call.id or f"call_{len(messages)}_{place}", agent=work.agent.name)
        for place, call in enumerate(reply.calls)
    ]
    results = yield [as_question(call) for call in calls]
    return said_and_done(work.me.way, messages, reply, calls, [told(work, result) for result in results])


def said_and_done(
    way: Way, messages: list[Message], reply: Reply, calls: list[ToolCall], results: list[Returned]
) -> list[Message]:
    """What was said, with the calls of a reply and their results, as the model is shown them."""
    if way == "text":
        return text.observed(messages, reply, calls, results)
    asked = [MessageCall(id=call.id, function=FunctionCall(call.name, call.arguments)) for call in calls]
    assistant = Message(
        "assistant", reply.text or None, tool_calls=asked, thinking_blocks=reply.thinking_blocks or None
    )
    return [
        *messages, assistant,
        *(
            Message(
                "tool", [TextPart(result.text), *result.images] if result.images else result.text,
                tool_call_id=call.id, is_error=result.failed or None,
            )
            for call, result in zip(calls, results, strict=True)
        ),
    ]  # fmt: skip


def requests(member: Member) -> list[str]:
    """What an agent is asked, as far as its own examples and those of its tools say."""
    of_tools = guided.options(member.tools, ())
    own = [example.request for example in member.examples]
    return own + [text for tool in member.tools for text in of_tools[tool.name]]


def as_question(call: ToolCall) -> Part:
    """A call of the tool that is a person."""
    if call.name != ASK_PERSON.name:
        return call
    return Question(text=str(read_object(call.arguments).get("question") or call.arguments))


def told(work: Work, result: Result) -> Returned:
    """What came of a call; marked, where a tool has read it somewhere."""
    if not isinstance(result, Returned):
        return Returned(text=result.text if isinstance(result, Said) else "", tool=ASK_PERSON.name)
    reads = {tool.name for tool in work.me.tools if tool.reads}
    if result.tool not in reads or work.me.way == "guided":
        return msgspec.structs.replace(result, text="\n".join(filter(None, shortened(result.text, work.me.shown))))
    return msgspec.structs.replace(result, text=marked(result, result.tool, most=work.me.shown, word=work.word))


def talk(work: Work, messages: list[Message], temperature: float | None = None, seed: int | None = None) -> Steps:
    """Think and call tools until there is an answer."""
    answer = ""
    while True:
        reply = yield from think(work, messages, temperature, seed, before=answer)
        answer = answer_in(work, reply, answer)
        if not reply.calls:
            return answer
        messages = yield from act(work, messages, reply)


def together(talks: Sequence[Steps]) -> Generator[list[Part], list[Result], list[str]]:
    """Several at the same time: the next steps of all of them are one step. Their answers, in their order."""
    answers: dict[int, str] = {}
    sent: dict[int, list[Result] | None] = dict.fromkeys(range(len(talks)))
    while True:
        wanted: dict[int, list[Part]] = {}
        for place, results in sent.items():
            try:
                wanted[place] = talks[place].send(results)  # type: ignore[arg-type]
            except StopIteration as ended:
                answers[place] = str(ended.value)
        if not wanted:
            return [answers[place] for place in range(len(talks))]
        found = iter((yield [part for parts in wanted.values() for part in parts]))
        sent = {place: [next(found) for _ in parts] for place, parts in wanted.items()}


def read_object(said: str) -> JSON:
    """The first JSON object in a text; {} where there is none."""
    start = said.find("{")
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(said, start)
        except (ValueError, RecursionError):
            start = said.find("{", start + 1)
            continue
        return found if isinstance(found, dict) else {}
    return {}
