"""What others have at these addresses and Guru has not: why, and what to use in its place."""

from __future__ import annotations

from typing import Final

ABSENT: Final = {
    "/api/create": (
        "Guru makes no models from a Modelfile.",
        'Give a model a name in guru.toml ([models.NAME] deployments = [{ model = "..." }]), or fetch a GGUF file: '
        "guru models pull FILE.",
    ),
    "/api/copy": (
        "Guru copies no models.",
        'Give a model a second name in guru.toml: [models.NAME] deployments = [{ model = "..." }].',
    ),
    "/api/push": ("Guru publishes no models.", "Push from an Ollama server."),
    "/api/blobs": ("Guru takes no files of models over this API.", "Fetch a file or an address: guru models pull."),
    "/v1/assistants": ("Guru has no assistants.", "Use /v1/responses, with `previous_response_id` for its threads."),
    "/v1/threads": ("Guru has no threads.", "Use /v1/responses with `previous_response_id`."),
    "/v1/responses/compact": (
        "Guru compacts no conversations.",
        "Set a `context.policy` for the model.",
    ),
    "/v1/conversations": ("Guru has no conversations here.", "Use /v1/responses with `previous_response_id`."),
    "/v1/vector_stores": ("Guru has no vector stores here.", "Its collections are at /api/v1/collections."),
    "/v1/uploads": ("Guru takes no files in parts.", "Send the whole file to /v1/files."),
    "/v1/messages/batches": ("Guru has no batches here.", "Send them to /v1/batches, which take /v1/messages too."),
    "/v1/chat/completions": ("Guru keeps no chat completions.", "Use /v1/responses, which are kept."),
    "/v1/realtime": ("Guru has no realtime sessions.", "The WebSocket /api/v1/chat/ws streams text."),
}
"""By the beginning of the path."""


def absent(path: str) -> tuple[str, str] | None:
    """What is missing at a path and what to use; None where nobody has anything."""
    for beginning, words in ABSENT.items():
        if path == beginning or path.startswith(f"{beginning}/"):
            return words
    return None
