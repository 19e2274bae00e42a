"""OpenAI's images: made from a text. Edits and variations have no provider here and are refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from guru.errors import BadRequest, InvalidParameter
from guru.server.bodies import decode_known, read_body
from guru.server.endpoint import Call, post
from guru.server.road import road_headers
from guru.server.sse import while_connected
from guru.tasks import ImageRequest, Images


class ImageBody(Struct, kw_only=True):
    """Fields that are not listed here, such as `background`, go to the model, which takes or refuses them."""

    prompt: Annotated[str, Meta(min_length=1)]
    model: str = "image"
    n: Annotated[int, Meta(ge=1, le=10)] = 1
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    """`url` or `b64_json`."""
    user: str | None = None
    stream: bool = False


class ImageAnswer(Struct):
    created: int
    data: list[dict[str, Any]]


@post("/v1/images/generations", body=ImageBody, answer=ImageAnswer)
async def generate_images(call: Call) -> Any:
    """Images of a text, by a provider's model."""
    body, extra = decode_known(await read_body(call.request), ImageBody)
    if body.stream:
        message = "Images are not streamed here."
        raise InvalidParameter(message, param="stream", hint="Leave `stream` out and wait for the image.")
    fields = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "stream"}
    request = ImageRequest(**fields, extra=extra)
    work = call.services.road.perform("images", request, call.caller("images"))
    images: Images = await while_connected(call.request.receive, work)
    usage = images.usage
    counts = {
        "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }  # fmt: skip
    answer = {"created": images.created, "data": images.data, **images.extra}
    if usage.total_tokens:
        answer.setdefault("usage", counts)
    headers = road_headers(call.trace_id, images.model, images.cost)
    return Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")


@post("/v1/images/edits")
async def edit_image(call: Call) -> Any:
    """Refused: no provider carries it."""
    raise refusal("edits")


@post("/v1/images/variations")
async def vary_image(call: Call) -> Any:
    """Refused: no provider carries it."""
    raise refusal("variations")


def refusal(what: str) -> BadRequest:
    return BadRequest(
        f"Image {what} cannot be asked for through this server.",
        hint="Describe the image you want to POST /v1/images/generations.",
    )


DOORS = [generate_images, edit_image, vary_image]
