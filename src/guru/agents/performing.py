"""Doing what a step asks for: the model, the tools, the choice. What goes wrong in a tool is told to the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from guru.agents.approvals import Approvals
from guru.agents.asking import RunPerson, to_answer
from guru.agents.checkpoints import Checkpoints
from guru.agents.limits import Limits
from guru.agents.records import Decision, StepRecord, read_asked
from guru.agents.steps import (
    Choice,
    Chosen,
    ModelCall,
    Part,
    Question,
    Reply,
    Result,
    Returned,
    Said,
    ToolCall,
    kind_of,
    name_of,
)
from guru.agents.strategies.talk import Member
from guru.agents.strategies.unfolding import unfolding
from guru.agents.tools.asking import Suspended
from guru.agents.tools.asking import answered as with_answer
from guru.agents.tools.base import ToolContext, ToolResult
from guru.agents.tools.toolbox import Toolbox
from guru.errors import BadRequest
from guru.store.scope import Scope
from guru.types import (
    JSON,
    ChatRequest,
    Completed,
    Delta,
    Event,
    FunctionDefinition,
    Message,
    Started,
    Tool,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 6
"""Examples of how to call it that a model is shown of the tool that was chosen."""
NEAR = 0.35
"""Cosine under which a request is near to no example."""
DROPPED = ("seed", "temperature", "response_format")
"""What a model may refuse without the step being lost."""
IN_WORDS = "Answer with one JSON object that holds to this JSON schema, and nothing else:\n{schema}"
UNKNOWN = "The server stopped while {name} was being called. Nobody knows whether it was done."


class Span(Protocol):
    def set(self, attribute: str, value: Any) -> None: ...


class Host(Protocol):
    """What a run needs of the server, for whoever began it."""

    scope: Scope

    @property
    def content(self) -> bool:
        """Whether what tools are told, and what they say, is kept in the trace."""
        ...

    @property
    def caller(self) -> Any:
        """Who asks, for one call of a tool."""
        ...

    def ask(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Over the road: limits, budgets, cache and traces hold. Raises what the road raises."""
        ...

    async def vectors(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors."""
        ...

    def span(self, name: str) -> AbstractContextManager[Span]:
        """A step in the trace of the run."""
        ...


class Draft(Protocol):
    """The answer while it is written: no more than what is certain to be in it."""

    def begin(self, before: str) -> None:
        """A call of the model goes on from there. Where one is made once more, it may write something else."""
        ...

    def add(self, text: str) -> None: ...


class Performer:
    """Implements `guru.agents.loop.Performer` for one run."""

    def __init__(
        self, run_id: str, host: Host, members: Mapping[str, Member], tools: Toolbox, *, checkpoints: Checkpoints,
        approvals: Approvals, limits: Limits, tell: Callable[[str, JSON], None] = lambda event, data: None,
        person: Callable[[int, int], RunPerson] | None = None, draft: Draft | None = None,
    ) -> None:  # fmt: skip
        """`tell` is told what a model says while it says it, `draft` what of it is the answer. `person` can be asked by
        the servers of tools, during the call that is that part of that step."""
        self._run = run_id
        self._host = host
        self._members = members
        self._tools = tools
        self._checkpoints = checkpoints
        self._approvals = approvals
        self._limits = limits
        self._tell = tell
        self._person = person
        self._draft = draft

    async def perform(self, number: int, place: int, part: Part) -> Result | None:
        step = self._checkpoints.step(number, place)
        if step.status == "waiting" and step.decision is None:
            return None
        with self._host.span(f"{kind_of(part)} {name_of(part)}") as span:
            span.set("guru.agent.step", number)
            if isinstance(part, ModelCall):
                result: Result | None = await self._model(part, {"step": number, "part": place})
            elif isinstance(part, Choice):
                result = await choose(part, self._host)
            else:
                result = await self._decided(step, part)
            if result is not None:
                describe(span, part, result, content=self._host.content)
            return result

    # ------------------------------------------------------------------ models

    async def _model(self, part: ModelCall, place: JSON) -> Reply:
        request = to_request(part)
        while True:
            try:
                async with asyncio.timeout(self._limits.left):
                    return await self._listen(part, request, place)
            except TimeoutError:
                self._limits.check(0)  # raises, as no time is left
                raise
            except BadRequest as error:
                if error.param not in DROPPED or getattr(request, error.param) is None:
                    raise
                request = without(request, error.param, part.schema)

    async def _listen(self, part: ModelCall, request: ChatRequest, place: JSON) -> Reply:
        reply = Reply(text="")
        texts: list[str] = []
        calls: dict[int, list[str]] = {}
        hear = self._hearing(part)
        events = self._host.ask(request)
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Delta) and event.index == 0:
                    texts.append(event.text or event.refusal)
                    hear(texts[-1])
                    reply.reasoning += event.reasoning
                    if event.thinking_block is not None:
                        reply.thinking_blocks.append(event.thinking_block)
                    for piece in event.tool_calls:
                        call = calls.setdefault(piece.index, ["", "", ""])
                        call[0], call[1] = call[0] or piece.id or "", call[1] or piece.name or ""
                        call[2] += piece.arguments
                    if event.text:
                        self._tell("delta", place | {"text": event.text})
                elif isinstance(event, Started):
                    reply.trace_id = event.trace_id
                elif isinstance(event, Completed):
                    reply.model, reply.cost, usage = event.model, event.cost, event.usage
                    reply.prompt_tokens, reply.completion_tokens = usage.prompt_tokens, usage.completion_tokens
        reply.text = "".join(texts)
        reply.calls = [ToolCall(id=item[0], name=item[1], arguments=item[2]) for _, item in sorted(calls.items())]
        return reply

    def _hearing(self, part: ModelCall) -> Callable[[str], None]:
        """What hands on what is certain of the answer while a model writes it."""
        answer, draft = unfolding(part), self._draft
        if answer is None or draft is None:
            return lambda said: None
        draft.begin(part.before)

        def hear(said: str) -> None:
            if found := answer.feed(said):
                draft.add(found)

        return hear

    # ------------------------------------------------------------------ tools and people

    async def _decided(self, step: StepRecord, part: ToolCall | Question) -> Result | None:
        """What a person has said of a call is done; without a need to ask, the call is made."""
        if step.status == "waiting":
            said = msgspec.convert(step.decision, Decision)
            asked = read_asked(step)
            if asked is not None and asked.state is not None and isinstance(part, ToolCall):
                await self._checkpoints.start(step.number, step.part)
                return await self._call_of(step, part, with_answer(asked.state, to_answer(said)))
            if isinstance(part, Question):
                return Said(text=said.text or said.say)
            if said.say == "done":
                return Returned(text=said.text, tool=part.name)
            if said.say == "no":
                why = f": {said.text}" if said.text else "."
                return Returned(text=f"A person did not allow this call{why}", failed=True, tool=part.name)
            await self._checkpoints.start(step.number, step.part)
        elif step.left and not self._repeatable(part):
            await self._checkpoints.wait(step.number, step.part, UNKNOWN.format(name=step.name))
            return None
        if isinstance(part, Question):  # it waits from the beginning
            return None
        return await self._call_of(step, part)

    async def _call_of(self, step: StepRecord, part: ToolCall, answered: JSON | None = None) -> Returned | None:
        """The call of a step; None where its server asks something that a person must answer first."""
        part = msgspec.structs.replace(part, arguments=step.request["arguments"])  # a person may have changed them
        context = ToolContext(
            scope=self._host.scope, caller=self._host.caller, run=self._run,
            call=f"{self._run}:{step.number}:{step.part}", answered=answered,
            person=self._person(step.number, step.part) if self._person is not None else None,
        )  # fmt: skip
        try:
            return await self._call(part, context)
        except Suspended:
            return None

    def _repeatable(self, part: Part) -> bool:
        return not isinstance(part, ToolCall) or part.name not in self._tools or (
            self._tools.get(part.name).spec.repeatable
        )  # fmt: skip

    async def _call(self, call: ToolCall, context: ToolContext) -> Returned:
        """The tool's result; that of another one where it fails and the agent names some."""
        if self._limits.repeated(call):
            text = f"{call.name} was called with these arguments often enough. Do something else, or answer."
            return Returned(text=text, failed=True, tool=call.name)
        member = self._members[call.agent] if call.agent in self._members else next(iter(self._members.values()))
        mine = [tool.name for tool in member.tools]
        if call.name not in mine:
            known = f"There are: {', '.join(mine)}." if mine else "There are no tools; answer without."
            return Returned(text=f"There is no tool {call.name[:80]!r}. {known}", failed=True, tool=call.name)
        result = await self._patiently(call.name, call.arguments, context, member.agent.retries)
        if not result.failed:
            return returned(result, call.name)
        if was_asked(context):
            return returned(result, call.name)
        context = msgspec.structs.replace(context, person=None)  # what a call goes on from is of its own tool
        for other in member.agent.alternatives.get(call.name, ()):
            # What must wait for a person is no way round a tool that fails.
            if other in mine and self._approvals.reason(msgspec.structs.replace(call, name=other)) is None:
                instead = await self._patiently(other, call.arguments, context, member.agent.retries)
                if not instead.failed:
                    instead.text = f"{call.name} failed; {other} says:\n{instead.text}"
                    return returned(instead, other)
        return returned(result, call.name)

    async def _patiently(self, name: str, arguments: str, context: ToolContext, retries: int) -> ToolResult:
        """Again, where it failed and looking once more does no harm. What only computes fails again."""
        spec = self._tools.get(name).spec
        result = await self._tools.call(name, arguments, context)
        for _ in range(retries if spec.repeatable and spec.effect != "none" else 0):
            if not result.failed or was_asked(context):
                break
            result = await self._tools.call(name, arguments, context)
        return result


def was_asked(context: ToolContext) -> bool:
    """Whether a person has answered something during a call: nobody is asked again because it has failed."""
    return context.answered is not None or (isinstance(context.person, RunPerson) and context.person.asked)


def returned(result: ToolResult, tool: str) -> Returned:
    return Returned(text=result.text, data=result.data, images=result.images, failed=result.failed, tool=tool)


def to_request(part: ModelCall) -> ChatRequest:
    """A model's call as the road takes it."""
    tools = [
        Tool(FunctionDefinition(name=spec.name, description=spec.description, parameters=spec.parameters))
        for spec in part.tools
    ]
    schema = {"name": part.purpose, "schema": part.schema, "strict": True}
    return ChatRequest(
        model=part.model, messages=part.messages, tools=tools, temperature=part.temperature, seed=part.seed,
        max_tokens=part.max_tokens, stream=True,
        response_format={"type": "json_schema", "json_schema": schema} if part.schema is not None else None,
    )  # fmt: skip


def without(request: ChatRequest, param: str, schema: JSON | None) -> ChatRequest:
    """A request without what the model does not take; a schema is then said in words."""
    if param != "response_format":
        return msgspec.structs.replace(request, **{param: None})
    told = Message("user", IN_WORDS.format(schema=msgspec.json.encode(schema).decode()))
    return msgspec.structs.replace(request, response_format=None, messages=[*request.messages, told])


async def choose(choice: Choice, host: Host) -> Chosen:
    """The option of which a text is nearest to the request; `otherwise` where they all are far."""
    named = [(option, text) for option, texts in choice.options.items() for text in texts]
    vectors = await host.vectors([choice.text, *(text for _, text in named)])
    scores = (vectors[1:] @ vectors[0]).tolist()
    if not scores:
        return Chosen(option="", score=0.0)
    ranked = sorted(zip(scores, named, strict=True), key=lambda item: item[0])
    score, (option, _) = ranked[-1]
    if score < NEAR:
        option = choice.otherwise
    near = [text for _, (name, text) in ranked if name == option][-SHOWN:]
    return Chosen(option=option, score=score, near=near)


def describe(span: Span, part: Part, result: Result, *, content: bool) -> None:
    """What the trace of the run says of a step. Prompts are in the traces of the calls themselves."""
    if isinstance(part, ToolCall) and content:
        span.set("gen_ai.tool.call.arguments", part.arguments)
    if isinstance(result, Returned):
        if content:
            span.set("gen_ai.tool.call.result", result.text)
        span.set("guru.tool.failed", result.failed)
    elif isinstance(result, Reply):
        span.set("guru.call.trace_id", result.trace_id)
        span.set("guru.call.tokens", result.tokens)
        span.set("guru.call.cost", result.cost)
    elif isinstance(result, Chosen):
        span.set("guru.choice", result.option)


class NoSpan:
    def set(self, attribute: str, value: Any) -> None:
        pass


def no_span() -> AbstractContextManager[Span]:
    return nullcontext(NoSpan())
