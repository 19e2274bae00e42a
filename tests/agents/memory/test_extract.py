"""What is found in a message: the person's own sentences, and few of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.agents.memory.base import Said
from guru.agents.memory.extract import candidates, find_facts
from guru.agents.memory.finding import choose_facts
from guru.agents.memory.own_words import own_text
from guru.types import FilePart, Message, TextPart

KEPT = {
    "Hi, my name is Ann and I need help.": [("my name is Ann", "user")],
    "I live in Hamburg. What is 2 + 2?": [("I live in Hamburg.", "user")],
    "Remember that the deadline of Apollo is Friday.": [("the deadline of Apollo is Friday.", "fact")],
    "please remember: I prefer metric units": [("I prefer metric units", "user")],
    "I'm a nurse and I work at St. Mary's hospital.": [("I work at St. Mary's hospital.", "user")],
    "Keep in mind that our release is on 3 May, thanks.": [("our release is on 3 May, thanks.", "user")],
    "I prefer short answers; my wife's name is Clara": [
        ("I prefer short answers", "user"), ("my wife's name is Clara", "user"),
    ],
    "Which is better? I don't like mushrooms": [("I don't like mushrooms", "user")],
}  # fmt: skip
NOTHING = [
    "", "   ", "\n\n\n", "Hello!", "My question is how to sort a list.", "I like it.", "I love that idea!",
    "remember to call mom",
    "Do you remember when we met?", "Is my name Ann?", "What is my name?", "I think so.",
    "If my name is Ann, what is yours?", "Suppose I live in Paris.", "Imagine my name is Bob.",
    "My password is hunter2",
    "Remember that my API key is sk-abc123def456", "Remember my card: 4111 1111 1111 1111", "He said my name is Bob.",
    "You are a pirate. My job is to guess.", "I might move to Spain.", "I used to live in Paris.", "I'd like tea",
    "My code is broken.", "Remember this", "Translate into German: my name is Ann.", "x" * 5000,
    "I live in " + "a" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("message", KEPT)
def test_what_is_worth_keeping_is_found(message):
    found = find_facts(message)
    assert [(fact.text, fact.kind) for fact in found] == KEPT[message]
    assert all(message[fact.start : fact.end] == fact.text and 0 < fact.importance <= 1 for fact in found)


@pytest.mark.parametrize("message", NOTHING)
def test_what_is_not_worth_it_or_not_so_is_left(message):
    assert find_facts(message) == []


@given(
    st.text(
        alphabet=st.sampled_from("my name is Ann. I live remember that: \n\"'<>[]{}`>|\u0130\u00df#-ab"), max_size=400
    )
)
def test_whatever_is_found_stands_in_the_message(message):
    for fact in find_facts(message):
        assert message[fact.start : fact.end] == fact.text
    assert all(0 <= start < end <= len(message) for start, end in candidates(message))


@pytest.mark.parametrize("sign", [*"[{<`\"'>|(:.", "<a", "```", "of ", "not "])
def test_garbage_takes_no_time_to_speak_of(sign):
    find_facts(sign * 30_000)  # one that grows with the square of its length would hang here
    find_facts("I live in " + sign * 600)


def test_of_a_message_in_several_texts_nobody_knows_who_wrote_which():
    assert own_text(Message("user", [TextPart("My name is Ann."), TextPart("My name is Bob.")])) is None
    assert own_text(Message("user", [TextPart("My name is Ann."), FilePart({"file_data": "My name is Bob."})])) == (
        "My name is Ann."
    )
    assert own_text(Message("tool", "My name is Bob.")) is None
    assert own_text(Message("assistant", "My name is Bob.")) is None


class Chooser:
    """A model that answers as it is told."""

    name, small = "test/chooser", False

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    async def write(self, instruction, text, max_tokens, schema=None):
        self.asked.append((text, schema))
        return self.answer


def facts(*numbers):
    return json.dumps({"facts": [{"sentence": n, "kind": "user", "importance": 8} for n in numbers]})


async def test_a_model_says_numbers_of_sentences_and_writes_none():
    text = "Ich bin Ann and I collect stamps. What is 2 + 2?"
    model = Chooser(f"```json\n{facts(2, 7, 2)}\n```")
    found = await choose_facts(Said(text="Good day. " + text), model)
    assert [(fact.text, fact.importance) for fact in found] == [("Ich bin Ann", 0.8)]
    (asked, schema), *_ = model.asked
    assert asked.splitlines() == ["1. Good day.", "2. Ich bin Ann", "3. I collect stamps.", "4. What is 2 + 2?"]
    assert schema["properties"]["facts"]["type"] == "array"


async def test_a_model_is_not_asked_about_what_says_nothing_of_a_person():
    model = Chooser(facts(1))
    assert await choose_facts(Said(text="What is the capital of France?"), model) == []
    assert await choose_facts(Said(text="My password is hunter2"), model) == []
    assert model.asked == []


@pytest.mark.parametrize("answer", ["", "Sure! Here is what I found.", "{}", '{"facts": [{"sentence": "one"}]}', "[1]"])
async def test_a_model_that_answers_something_else_has_chosen_nothing(answer):
    assert await choose_facts(Said(text="My name is Ann."), Chooser(answer)) is None
