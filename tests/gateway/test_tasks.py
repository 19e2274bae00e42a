"""What limits reserve for tasks that are no chat."""

import pytest

from guru.gateway.cost.tokens import IMAGE_TOKENS, estimate_text
from guru.gateway.tasks import estimate
from guru.tasks import EmbeddingRequest, ImageRequest, ModerationRequest, RerankRequest, SpeechRequest

CHINESE = "光合作用是植物把光变成糖的过程。"


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (EmbeddingRequest(model="m", input=["a" * 40, "b" * 8]), 12),
        (EmbeddingRequest(model="m", input=[CHINESE]), estimate_text(CHINESE)),  # as a chat's limit would count it
        (EmbeddingRequest(model="m", input=[[1] * 5000, [2] * 3000]), 8000),  # token numbers are tokens
        (RerankRequest(model="m", query="a" * 8, documents=["b" * 400, CHINESE]), 2 + 100 + estimate_text(CHINESE)),
        (ModerationRequest(model="m", input=["a" * 40]), 10),
        (
            ModerationRequest(model="m", input=[{"type": "text", "text": "a" * 40}, {"type": "image_url"}]),
            10 + IMAGE_TOKENS,
        ),
        (ImageRequest(model="m", prompt="a" * 40), 10),
        (SpeechRequest(model="m", input="a" * 40), 10),
    ],
)
def test_everything_that_is_sent_is_reserved(request_, tokens):
    assert estimate(request_) == tokens
