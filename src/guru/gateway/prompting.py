"""A request that begins with a prompt of the library: `"guru": {"prompt": "name@prod", "variables": {...}}`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec import structs

from guru.errors import GuruError, InvalidParameter
from guru.gateway.identity import Caller
from guru.observe import names
from guru.observe.spans import Trace, TraceRecord
from guru.protocols import PromptLibrary
from guru.types import ChatRequest, Completed, RenderedPrompt

HEADER = "x-guru-prompt"
Ended = Callable[[str, BaseException | None, TraceRecord | None], None]
"""Called with a version that was tried, with the error in which the request ended, and with its trace; without one
where the version could not be filled in."""


class Trials(Protocol):
    """Which versions of a prompt are on trial."""

    def try_prompt(self, request: ChatRequest, caller: Caller) -> tuple[list[str], Ended] | None:
        """The versions to try, the second where the first cannot be filled in, and what counts how the first one did.
        None: what the label stands for."""
        ...


class Filled(NamedTuple):
    request: ChatRequest
    """As the model gets it."""
    caller: Caller
    prompt: RenderedPrompt
    ended: Callable[[BaseException | None, TraceRecord | None], None] | None
    """To be called when the request has ended, where the prompt is on trial."""


async def fill_in(
    prompts: PromptLibrary | None, trials: Trials | None, request: ChatRequest, caller: Caller, trace: Trace
) -> Filled:
    """The request with its prompt, or with a version of it that is on trial. Raises what the library raises."""
    with trace.span("prompt") as span:
        trial = trials.try_prompt(request, caller) if trials is not None else None
        if trial is None:
            (filled, prompt), ended = await rendered(prompts, request, caller.tenant), None
        else:
            filled, prompt, ended = await tried(prompts, request, caller.tenant, *trial)
        said = {names.PROMPT_NAME: prompt.name, names.PROMPT_VERSION: prompt.version, names.PROMPT_LABEL: prompt.label}
        span.attributes |= said
        trace.attributes |= said
        trace.tags = (*trace.tags, f"prompt:{prompt.id}")
        caller.headers[HEADER] = prompt.id
        return Filled(filled, structs.replace(caller, prompt=prompt.id), prompt, ended)


async def tried(
    prompts: PromptLibrary | None, request: ChatRequest, tenant: str, versions: list[str], ended: Ended
) -> tuple[ChatRequest, RenderedPrompt, Callable[[BaseException | None, TraceRecord | None], None] | None]:
    """The first of the versions that can be filled in: nobody pays for a trial with an error."""
    assert request.guru is not None and request.guru.prompt is not None
    label = request.guru.prompt.partition("@")[2]
    for place, version in enumerate(versions):
        guru = structs.replace(request.guru, prompt=version)
        try:
            filled, prompt = await rendered(prompts, structs.replace(request, guru=guru), tenant)
        except InvalidParameter as error:
            if place == 0:
                ended(version, error, None)
            if place == len(versions) - 1:
                raise
        else:
            return filled, structs.replace(prompt, label=label), partial(ended, version) if place == 0 else None
    raise AssertionError("unreachable")


async def rendered(
    prompts: PromptLibrary | None, request: ChatRequest, tenant: str
) -> tuple[ChatRequest, RenderedPrompt]:
    """The request with the messages of its prompt, and that. Raises what the library raises."""
    assert request.guru is not None and request.guru.prompt is not None
    if prompts is None:
        raise InvalidParameter("There is no library of prompts here.", param="guru.prompt")
    try:
        prompt = await prompts.of(tenant).render(request.guru.prompt, request.guru.variables)
    except GuruError as error:
        error.param = f"guru.{error.param or 'prompt'}"
        raise
    return with_prompt(request, prompt), prompt


def has_prompt(request: object) -> bool:
    """Whether a request begins with a prompt of the library."""
    return isinstance(request, ChatRequest) and request.guru is not None and request.guru.prompt is not None


def with_prompt(request: ChatRequest, prompt: RenderedPrompt) -> ChatRequest:
    """The prompt's messages, then the request's; and of the prompt's hints those that the request leaves open."""
    grounding = request.guru
    assert grounding is not None
    grounded = bool(grounding.collection)
    left = grounded or grounding.memory is not None
    open_yet = {name: value for name, value in prompt.sampling.items() if getattr(request, name) in (None, [])}
    changes: dict[str, Any] = {
        **open_yet,
        "messages": [*prompt.messages, *request.messages],
        "response_format": prompt.response_format if request.response_format is None else request.response_format,
        "guru": structs.replace(grounding, prompt=None, variables={}) if left else None,
    }
    if prompt.self_consistency is not None:
        for param, wrong in (("n", request.n > 1), ("tools", request.tools), ("guru.collection", grounded)):
            if wrong:
                raise InvalidParameter(
                    f"The prompt {prompt.id} lets several answers vote, which does not go with `{param}`.",
                    hint=f"Leave `{param}` out, or use a prompt without `self_consistency`.",
                    param=param,
                )
    return structs.replace(request, **changes)


def tell(event: Completed, prompt: RenderedPrompt) -> None:
    """Say in the answer which version it came of."""
    said = {"name": prompt.name, "version": prompt.version, "label": prompt.label}
    guru = event.extra.get("guru", {})
    event.extra = event.extra | {"guru": guru | {"prompt": said | guru.get("prompt", {})}}
