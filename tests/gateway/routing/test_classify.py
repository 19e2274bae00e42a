"""How often the classifier is right, on prompts that it was not fitted on."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.routing.classify import FEATURES, coefficients, difficulty, features, language
from guru.types import ChatRequest, ImagePart, ImageUrl, Message, TextPart, TextRequest

EXAMPLES = Path(__file__).parent / "data" / "difficulty.txt"


def ask(text):
    return ChatRequest(model="smart", messages=[Message("user", text)])


def held_out():
    """Every fourth of each label, as scripts/fit_difficulty.py has it."""
    places = {"simple": 0, "hard": 0}
    for line in EXAMPLES.read_text("utf-8").splitlines():
        label, text = line.split("\t", 1)
        if places[label] % 4 == 3:
            yield label, text
        places[label] += 1


def test_prompts_that_it_has_not_seen_are_told_apart():
    found = [(label, difficulty(ask(text))) for label, text in held_out()]
    right = sum((probability >= 0.5) == (label == "hard") for label, probability in found)
    assert len(found) >= 40
    assert right / len(found) >= 0.9


def test_every_feature_has_a_coefficient():
    assert set(coefficients()) == {"intercept", *FEATURES}


@given(st.text(max_size=300))
def test_any_text_has_a_difficulty(text):
    assert 0.0 <= difficulty(ask(text)) <= 1.0
    assert len(features(TextRequest(model="smart", prompt=text))) == len(FEATURES)


def test_requests_without_text_have_one_too():
    picture = [ImagePart(ImageUrl("data:image/png;base64,")), TextPart("What is this?")]
    assert difficulty(ChatRequest(model="m", messages=[Message("user", picture)])) < 0.5
    assert difficulty(ChatRequest(model="m", messages=[])) < 0.5
    assert difficulty(TextRequest(model="m", prompt=[1, 2, 3])) < 0.5


def test_a_very_long_prompt_is_only_sampled():
    assert features(ask("word " * 500_000))[0] < 8


async def test_language_is_found_where_there_is_enough_text():
    assert await language(ask("Können Sie mir bitte sagen, wo der nächste Bahnhof ist?")) == "de"
    assert await language(ask("ok")) == ""
    assert await language(None) == ""
