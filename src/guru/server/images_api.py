"""OpenAI's images: made from a text, or of other images. Variations, which OpenAI has retired, are refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from guru.errors import BadRequest, InvalidParameter
from guru.server.bodies import decode_known, form_number, too_large
from guru.server.endpoint import Call, post
from guru.server.road import Whole, perform, told
from guru.server.sse import ClientGone
from guru.tasks import FormFile, ImageEdit, ImageRequest, Images

MAX_FORM = 64 << 20
"""Bytes of all files together."""
MAX_FILES = 20
"""OpenAI takes 16 images, and a mask."""
MAX_FIELD = 1 << 20
MOST = 10
"""Images of one request."""
TEXTS = ("model", "prompt", "size", "quality", "style", "response_format", "user")


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


class EditBody(Struct, kw_only=True):
    """A multipart form. Fields that are not listed here, such as `mask` and `background`, go to the model."""

    image: bytes
    """One image, or several as `image[]`."""
    prompt: str
    model: str = "image"
    n: Annotated[int, Meta(ge=1, le=10)] = 1
    size: str | None = None
    quality: str | None = None
    response_format: str | None = None
    """`url` or `b64_json`."""
    user: str | None = None


class ImageAnswer(Struct):
    created: int
    data: list[dict[str, Any]]


@post("/v1/images/generations", body=ImageBody, answer=ImageAnswer)
async def generate_images(call: Call) -> Any:
    """Images of a text, by a provider's model."""
    body, extra = decode_known(await call.body(), ImageBody)
    if body.stream:
        message = "Images are not streamed here."
        raise InvalidParameter(message, param="stream", hint="Leave `stream` out and wait for the image.")
    fields = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "stream"}
    return await answer(call, ImageRequest(**fields, extra=extra))


async def answer(call: Call, request: ImageRequest) -> Whole:
    images: Images = await perform(call, "images", request, "images")
    usage = images.usage
    counts = {
        "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "input_tokens_details": {
            "image_tokens": usage.image_prompt_tokens, "text_tokens": usage.prompt_tokens - usage.image_prompt_tokens,
        },
    }  # fmt: skip
    found = {"created": images.created, "data": images.data, **images.extra}
    if usage.total_tokens:
        found.setdefault("usage", counts)
    return told(call, found, images)


@post("/v1/images/edits", body=EditBody, answer=ImageAnswer)
async def edit_image(call: Call) -> Any:
    """Images, changed as a text says, by a provider's model."""
    headers = call.request.headers
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("The body is not multipart/form-data.", hint="Send the image as the field `image`.")
    if int(headers.get("content-length") or 0) > MAX_FORM:
        raise too_large(MAX_FORM)
    try:
        async with call.request.form(max_files=MAX_FILES, max_fields=100, max_part_size=MAX_FIELD) as form:
            request = await to_edit(form)
    except ClientDisconnect:
        raise ClientGone from None
    return await answer(call, request)


async def to_edit(form: FormData) -> ImageEdit:
    """The form as a request. Fields that Guru does not know go to the model as they are."""
    files: list[FormFile] = []
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    size = 0
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            size += value.size or 0
            if size > MAX_FORM:
                raise too_large(MAX_FORM)
            kind = value.content_type or "application/octet-stream"
            files.append(FormFile(name, value.filename or name, kind, await value.read()))
        elif name in TEXTS:
            fields[name] = value
        elif name == "n":
            fields[name] = to_number(value)
        elif name == "stream":
            if value.lower() in ("true", "1"):
                message = "Images are not streamed here."
                raise InvalidParameter(message, param="stream", hint="Leave `stream` out and wait for the image.")
        elif value != "":
            extra[name] = [*extra[name], value] if name in extra else [value]
    if not any(file.field.removesuffix("[]") == "image" for file in files):
        message = "The file `image` is missing."
        raise InvalidParameter(message, param="image", hint="Send the image as the field `image`.")
    fields = {name: value for name, value in fields.items() if value != ""}
    if "prompt" not in fields:
        raise InvalidParameter("`prompt` is missing.", param="prompt", hint="Say what is to be changed.")
    return ImageEdit(**{"model": "image", **fields}, files=files, extra=extra)


def to_number(value: str) -> int:
    number = form_number(value)
    if number is None or not 1 <= number <= MOST:
        raise InvalidParameter(f"`n` must be a number from 1 to {MOST}.", param="n")
    return number


@post("/v1/images/variations")
async def vary_image(call: Call) -> Any:
    """Refused: OpenAI has retired it, and nobody else has it."""
    raise BadRequest(
        "Image variations cannot be asked for through this server: OpenAI has retired them.",
        hint="Send the image to POST /v1/images/edits, and say in `prompt` what should vary.",
    )


DOORS = [generate_images, edit_image, vary_image]
