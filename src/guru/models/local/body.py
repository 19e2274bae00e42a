"""A request in our shape to the body that llama.cpp's server takes, or a clear refusal."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from guru.errors import BadRequest, InvalidParameter
from guru.models.local.tools import CLOSE, OPEN, ToolPlan
from guru.types import ChatRequest, Message, NativePart, RefusalPart, Sampling, TextPart, TextRequest

JSON = dict[str, Any]

SAMPLING: Final = (
    "temperature", "top_p", "top_k", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
    "logit_bias", "max_tokens",
)  # fmt: skip

CARRIED: Final = frozenset({
    "cache_prompt", "chat_template_kwargs", "dry_allowed_length", "dry_base", "dry_multiplier", "dry_penalty_last_n",
    "dry_sequence_breakers", "dynatemp_exponent", "dynatemp_range", "grammar", "ignore_eos", "min_keep", "mirostat",
    "mirostat_eta", "mirostat_tau", "n_keep", "repeat_last_n", "samplers", "t_max_predict_ms", "top_n_sigma",
    "xtc_probability", "xtc_threshold",
})  # fmt: skip
"""Fields of llama.cpp's own that a caller may send."""

WITHOUT_EFFECT: Final = frozenset({
    "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store",
})  # fmt: skip
"""Fields of OpenAI's about their billing and bookkeeping: no answer depends on them."""


def chat_body(request: ChatRequest, plan: ToolPlan, *, native_tools: bool) -> JSON:
    """The body of a chat. Raises `InvalidParameter` and `BadRequest` for what a local text model cannot do."""
    _refuse_others(request)
    body = _shared(request) | {"messages": _messages(request, plan, native_tools=native_tools)}
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": max(1, request.top_logprobs or 0)}
    format_type = (request.response_format or {}).get("type", "text")
    if format_type != "text":
        if plan.kind != "none":
            message = "`response_format` and `tools` cannot both constrain an answer of a local model."
            raise InvalidParameter(message, param="response_format", hint="Leave one out, or set tool_choice to none.")
        body["response_format"] = request.response_format
    if "grammar" in body and (plan.kind != "none" or format_type != "text"):
        message = "`grammar` cannot be combined with `tools` or `response_format`."
        raise InvalidParameter(message, param="grammar", hint="Leave one out.")
    return body | plan.fields


def text_body(request: TextRequest) -> JSON:
    """The body of a text completion."""
    if request.suffix:
        message = "`suffix` is not supported by local models."
        raise InvalidParameter(message, param="suffix", hint="Leave it out: the model continues the prompt.")
    if not request.prompt:
        raise InvalidParameter("`prompt` is empty.", param="prompt", hint="Send something to continue.")
    if request.echo and not isinstance(request.prompt, str):
        message = "`echo` needs a prompt of text, not of tokens."
        raise InvalidParameter(message, param="echo")
    if request.echo and request.logprobs:
        message = "`echo` with `logprobs` is not supported by local models: the prompt's tokens are not scored."
        raise InvalidParameter(message, param="echo", hint="Leave one out.")
    body = _shared(request) | {"prompt": request.prompt}
    if request.logprobs:
        body["logprobs"] = max(1, request.top_logprobs or 0)
    return body


def _refuse_others(request: ChatRequest) -> None:
    """What only providers' models have."""
    thinks = request.thinking is not None and request.thinking.get("type") != "disabled"
    asked = {
        "reasoning_effort": (request.reasoning_effort not in (None, "none", "minimal"), "`reasoning_effort`"),
        "thinking": (thinks, "`thinking`"),
        "tools": (bool(request.native_tools), "tools of their own"),
    }
    for name, (wanted, what) in asked.items():
        if wanted:
            hint = "Leave it out, or use a provider's model."
            raise InvalidParameter(f"Local models have no {what}.", param=name, hint=hint)
    for place, given in enumerate(request.messages):
        for member in given.extra:
            param = f"messages[{place}].{member}"
            raise InvalidParameter(f"`{param}` is unknown.", param=param, hint="Leave it out.")


def _shared(request: Sampling) -> JSON:
    body = {name: value for name in SAMPLING if (value := getattr(request, name)) is not None}
    if request.stop:
        body["stop"] = request.stop
    if request.seed is not None:
        body["seed"] = request.seed & 0xFFFFFFFF
    for name, value in request.extra.items():
        if name in CARRIED:
            body[name] = value
        elif name not in WITHOUT_EFFECT and not (name == "modalities" and value == ["text"]):
            hint = "Leave it out: local models have no such parameter."
            raise InvalidParameter(f"`{name}` is unknown.", param=name, hint=hint)
    grammar = body.get("grammar", "")
    if not isinstance(grammar, str) or grammar.lstrip().startswith("%llguidance"):
        # llama.cpp ignores a wrong Lark grammar in silence, so that form cannot be offered.
        raise InvalidParameter("`grammar` must be a GBNF grammar.", param="grammar", hint="Rewrite it as GBNF.")
    return body


def _messages(request: ChatRequest, plan: ToolPlan, *, native_tools: bool) -> list[JSON]:
    if not request.messages:
        raise InvalidParameter("`messages` is empty.", param="messages", hint="Send at least one message.")
    messages = [
        _message(message, f"messages[{index}]", native_tools and plan.prompt is None)
        for index, message in enumerate(request.messages)
    ]
    if plan.prompt is not None:
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": plan.prompt})
        else:
            messages[0] = {"role": "system", "content": f"{messages[0]['content']}\n\n{plan.prompt}"}
    return messages


def _message(message: Message, path: str, native_tools: bool) -> JSON:
    text = _text(message, path)
    role = "system" if message.role == "developer" else message.role
    if native_tools:
        whole: JSON = msgspec.to_builtins(message)
        for name in ("refusal", "is_error", "reasoning_content", "thinking_blocks"):
            whole.pop(name, None)
        return whole | {"role": role, "content": text}
    if role == "tool":
        return {"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"}
    if message.tool_calls:
        calls = "\n".join(f"{OPEN}{_call_json(call.function)}{CLOSE}" for call in message.tool_calls)
        return {"role": role, "content": f"{text}\n{calls}" if text else calls}
    return {"role": role, "content": text}


def _call_json(function: Any) -> str:
    """The call as the model would write it; its arguments are JSON text already."""
    return f'{{"name": {json.dumps(function.name)}, "arguments": {function.arguments or "{}"}}}'


def _text(message: Message, path: str) -> str:
    if message.content is None:
        return message.refusal or ""
    if isinstance(message.content, str):
        return message.content
    texts = []
    for index, part in enumerate(message.content):
        match part:
            case TextPart(text):
                texts.append(text)
            case RefusalPart(refusal):
                texts.append(refusal)
            case NativePart(text=str(shown)):
                texts.append(shown)
            case _:
                kind = type(part).__name__.removesuffix("Part").lower()
                message_text = f"This model reads text only, and `{path}.content[{index}]` is of kind {kind}."
                raise BadRequest(message_text, hint="Use a model that can read it.", param=f"{path}.content[{index}]")
    return "".join(texts)
