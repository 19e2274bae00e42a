"""Which questions may share an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.cache.guards import may_be_shared, question_of, same_question
from guru.types import ChatRequest, ImagePart, ImageUrl, Message, TextPart


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "How do I reset my password?",
        "Is it safe to eat raw eggs?",
        "How long does it take to boil an egg?",
        "Wie setze ich mein Passwort zurück?",
        "光合作用是什么？",
        "Who won the World Cup in 1998?",
    ],
)
def test_a_question_that_stands_alone_may_be_shared(question):
    assert may_be_shared(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is the weather in Paris today?",
        "Who is the current president of France?",
        "What is the latest version of Python?",
        "What happened last week?",
        "What happened three days ago?",
        "Wie ist das Wetter heute?",
        "Quelle heure est-il maintenant ?",
        "¿Qué hora es ahora?",
        "Какая сегодня погода?",
        "今天天气怎么样？",
        "今日のニュースは？",
        "지금 몇 시예요?",
        "आज कौन सा दिन है?",
        "ما هو الطقس اليوم؟",
        "Explain this",
        "What does it mean?",
        "Summarize the text above",
        "Why did they do that?",
        "Continue",
        "Give me a random number",
        "Tell me a joke",
        "What is my account balance?",
        "Where is my order?",
        "Find a restaurant near me",
        "",
        "   ",
        "x" * 601,
    ],
)
def test_what_depends_on_the_moment_the_person_or_the_conversation_may_not(question):
    assert not may_be_shared(question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "Tell me the capital of France"),
        ("What is the capital of France?", "capital of france"),
        ("How do I delete a branch in git?", "How can I delete a git branch?"),
        ("What is the difference between TCP and UDP?", "Explain the differences between UDP and TCP"),
        ("How many planets are in the solar system?", "What is the number of planets in the solar system?"),
        ("Who wrote Romeo and Juliet?", "Who is the author of Romeo and Juliet?"),
        ("What is the GDP of Japan?", "What's Japan's GDP?"),
        ("Who was the third king?", "Who was the 3rd king?"),
        ("What does it feel like to be a detective?", "What is it like to be a detective?"),
        ("How do I earn money online?", "How can one make money online?"),
        ("How do I sort a list in Python?", "What is the way to sort a Python list?"),
        ("Can you explain what photosynthesis is?", "What is photosynthesis?"),
        ("What is it like to live in the US?", "What is it like living in the US?"),
    ],
)
def test_the_same_question(one, other):
    assert same_question(one, other)
    assert same_question(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "What is the capital of Germany?"),
        ("what is the capital of france", "what is the capital of germany"),
        ("How do I boil 2 eggs?", "How do I boil 3 eggs?"),
        ("How do I boil two eggs?", "How do I boil three eggs?"),
        ("Does the warranty cover damage?", "Does the warranty not cover damage?"),
        ("How do I pay with a card?", "How do I pay without a card?"),
        ("How do I enable logging?", "How do I disable logging?"),
        ("What does 'foo' mean?", "What does 'bar' mean?"),
        ("When was Napoleon born?", "Where was Napoleon born?"),
        ("Why is Napoleon famous?", "Is Napoleon famous?"),
        ("Convert dollars to euros", "Convert euros to dollars"),
        ("Who defeated Montcalm at Quebec?", "Who was defeated by Montcalm at Quebec?"),
        ("What did Watt learn of Black?", "What did Black learn of Watt?"),
        ("Who fought in WWI?", "Who fought in WWII?"),
        ("What does FIS stand for?", "What does FISS stand for?"),
        ("Can dogs eat grapes?", "Can cats eat grapes?"),
        ("What is the steam event of the exhaust steam?", "What is the exhaust event of the exhaust steam?"),
        ("法国的首都是哪里", "德国的首都是哪里"),
        # What is asked for: whether, how, to what degree, what, somebody's own story.
        ("What is cement made of?", "How is cement made?"),
        ("What is the Great Firewall of China?", "How effective is the Great Firewall of China?"),
        ("Can constipation cause dizziness?", "How can constipation cause dizziness?"),
        ("How do I start trading?", "How did you start trading?"),
        ("How do I cope with major depression?", "How do I cope with depression?"),
        ("How do I get to the US?", "How do I get to the island?"),
        ("How do I move to the US?", "How do I move?"),
        ("What did World War One cost?", "What did World War Two cost?"),
    ],
)
def test_another_question(one, other):
    assert not same_question(one, other)
    assert not same_question(other, one)


@given(st.text(max_size=80), st.text(max_size=80))
def test_it_is_the_same_both_ways_round(one, other):
    assert same_question(one, one)
    assert same_question(one, other) == same_question(other, one)


def ask(*messages, **more):
    return ChatRequest(model="m", messages=[Message(role=role, content=content) for role, content in messages], **more)


def test_only_a_single_question_in_plain_text_is_one():
    question = "What is the capital of France?"
    assert question_of(ask(("user", question))) == (question, [])
    found = question_of(ask(("system", "Be brief."), ("user", question)))
    assert found is not None and found[1][0].text == "Be brief."
    assert question_of(ask(("user", "Hi"), ("assistant", "Hello"), ("user", question))) is None
    assert question_of(ask(("user", "Hi"), ("user", question))) is None
    assert question_of(ask(("user", question), ("assistant", "Paris"))) is None
    assert question_of(ask(("user", question), n=2)) is None
    assert question_of(ask(("user", [TextPart(question), ImagePart(ImageUrl("data:,"))]))) is None
    assert question_of(ChatRequest(model="m", messages=[])) is None
