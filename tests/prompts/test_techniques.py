"""Building blocks: what each adds to a prompt's messages."""

import pytest

from guru.errors import InvalidParameter
from guru.prompts.checking import check
from guru.prompts.techniques.self_consistency import vote

SUMS = [{"input": {"question": f"What is {n} plus {n}?"}, "output": str(2 * n)} for n in range(1, 6)]


async def messages(desk, prompts, asked=None, **more):
    await prompts.save("p", desk.define(**more), desk.editor())
    rendered = await prompts.render("p", {"question": "What is 9 plus 9?"} if asked is None else asked)
    return [(message.role, message.content) for message in rendered.messages]


async def test_zero_shot_is_the_prompt_alone(desk, prompts):
    assert await messages(desk, prompts) == [("user", "Answer What is 9 plus 9?.")]


async def test_role_and_rules_stand_around_the_system_message(desk, prompts):
    parts = [{"role": "system", "content": "You serve {{ town }}."}, {"role": "user", "content": "{{ question }}"}]
    said = await messages(
        desk, prompts, {"question": "?", "town": "{{ Oslo }}"}, messages=parts, role="a clerk of {{ town }}.",
        constraints=["Be brief.", "Name {{ town }}."], variables={"question": {}, "town": {}},
    )  # fmt: skip
    assert said == [
        ("system", "You are a clerk of {{ Oslo }}.\n\nYou serve {{ Oslo }}.\n\n"
                   "Keep to these rules:\n- Be brief.\n- Name {{ Oslo }}."),
        ("user", "?"),
    ]  # fmt: skip


async def test_examples_are_turns_before_the_question(desk, prompts):
    said = await messages(desk, prompts, examples={"items": SUMS[:2]})
    assert said == [
        ("user", "Answer What is 1 plus 1?."), ("assistant", "2"),
        ("user", "Answer What is 2 plus 2?."), ("assistant", "4"),
        ("user", "Answer What is 9 plus 9?."),
    ]  # fmt: skip


async def test_the_text_of_an_example_is_no_template(desk, prompts):
    said = await messages(desk, prompts, examples={"items": [{"input": "{{ question }}", "output": "{% if %}"}]})
    assert said[:2] == [("user", "{{ question }}"), ("assistant", "{% if %}")]


async def test_examples_are_chosen_by_order_by_chance_and_by_meaning(desk, prompts):
    chosen = {}
    for choose in ("first", "random", "similar"):
        items = [*SUMS, {"input": {"question": "Where do cats sleep at night?"}, "output": "in boxes"}]
        examples = {"items": items, "choose": choose, "count": 2, "seed": 7, "by": "question"}
        asked = {"question": "Where do my cats sleep?"}
        runs = [await messages(desk, prompts, asked, examples=examples) for _ in range(2)]
        assert runs[0] == runs[1]
        chosen[choose] = [text for role, text in runs[0] if role == "assistant"]
    assert chosen["first"] == ["2", "4"]
    assert len(chosen["random"]) == 2
    assert chosen["similar"][-1] == "in boxes"


async def test_another_seed_shows_other_examples(desk, prompts):
    seen = set()
    for seed in range(8):
        examples = {"items": SUMS, "choose": "random", "count": 2, "seed": seed}
        seen.add(tuple(await messages(desk, prompts, examples=examples)))
    assert len(seen) > 2


async def test_a_chain_of_thought_is_asked_for_and_its_answer_marked(desk, prompts):
    ((role, said), _) = await messages(desk, prompts, chain_of_thought=True)
    assert (role, "step by step" in said, said.endswith("Answer:")) == ("system", True, True)
    ((_, said), _) = await messages(desk, prompts, chain_of_thought="Think of {{ question }}.")
    assert said == "Think of What is 9 plus 9?."


async def test_a_schema_becomes_the_response_format_with_room_to_reason(desk, prompts):
    schema = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]}
    for thinks, members in ((False, ["sum"]), (True, ["reasoning", "sum"])):
        await prompts.save("s.1", desk.define(output_schema=schema, chain_of_thought=thinks), desk.editor())
        made = (await prompts.render("s.1", {"question": "?"})).response_format
        assert (made["type"], made["json_schema"]["name"]) == ("json_schema", "s_1")
        assert list(made["json_schema"]["schema"]["properties"]) == members
        assert made["json_schema"]["schema"]["required"] == members


@pytest.mark.parametrize(
    ("answers", "chosen", "votes"),
    [
        (["So 3.\nAnswer: 4", "Answer: 5.", "I think\nAnswer: **5**"], 1, 2),
        (["Yes.", "yes", "No"], 0, 2),
        (["a", "b"], 0, 1),
        (['{"reasoning": "x", "sum": 4}', '{"sum": 5, "reasoning": "y"}', '```json\n{"sum": 5}\n```'], 1, 2),
        (["18", "Answer: 18.", "17"], 0, 2),
        (["", "", "x"], 0, 2),
        (["[" * 99_999, "x", "x"], 1, 2),
    ],
)
def test_answers_vote(answers, chosen, votes):
    said = vote(answers, "Answer:")
    assert (said.chosen, said.votes, said.answers) == (chosen, votes, len(answers))


WRONG = [
    ({"content": "{{ other }}"}, "messages[0].content", "not declared"),
    ({"content": "{{ f() }}"}, "messages[0].content", "a call"),
    ({"role": "{{ other }}"}, "role", "not declared"),
    ({"constraints": ["ok", "{{ other }}"]}, "constraints[1]", "not declared"),
    ({"variables": {"question": {}, "two words": {}}}, "variables.two words", "cannot name"),
    ({"variables": {"question": {"type": "integer", "default": "x"}}}, "variables.question", "default"),
    ({"variables": {"question": {"choices": [1]}}}, "variables.question", "choice"),
    ({"variables": {"question": {"choices": ["a"], "default": "b"}}}, "variables.question", "It may be a"),
    ({"examples": {"items": [{"input": {}, "output": "x"}]}}, "examples.items[0].input", "needs `question`"),
    ({"examples": {"items": [{"input": "x", "output": "x"}], "by": "other"}}, "examples.by", "no variable"),
    ({"chain_of_thought": True, "output_schema": {"type": "string"}}, "output_schema", "properties"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "param", "said"), WRONG)
def test_what_could_not_be_rendered_is_not_kept(define, more, param, said):
    with pytest.raises(InvalidParameter) as caught:
        check(define(**more))
    assert caught.value.param == param
    assert said in str(caught.value)


VALUES = [
    ({}, "question", "needs `question`"),
    ({"question": None}, "question", "needs `question`"),
    ({"question": 3}, "question", "must be a string"),
    ({"question": "?", "qestion": "?"}, "qestion", "Did you mean `question`"),
    ({"question": "?", "n": True}, "n", "must be an integer"),
    ({"question": "?", "n": 1.5}, "n", "must be an integer"),
    ({"question": "?", "n": 9}, "n", "may be 1, 2"),
    ({"question": "?", "many": "x"}, "many", "must be a list"),
]


async def test_a_wrong_value_is_named(desk, prompts):
    variables = {
        "question": {}, "n": {"type": "integer", "choices": [1, 2], "default": 1},
        "many": {"type": "list", "required": False},
    }  # fmt: skip
    await prompts.save("typed", desk.define(variables=variables), desk.editor())
    for given, name, said in VALUES:
        with pytest.raises(InvalidParameter) as caught:
            await prompts.render("typed", given)
        assert caught.value.param == f"variables.{name}"
        assert said in str(caught.value)
