"""Versions that never change, labels that move, and who may do it: on SQLite and on PostgreSQL."""

import asyncio
import itertools

import pytest

from guru.errors import Conflict, Forbidden, InvalidParameter, NotFound


async def test_a_prompt_is_found_by_its_newest_version_a_label_and_a_number(desk, prompts):
    for content in ("One {{ question }}", "Two {{ question }}", "Three {{ question }}"):
        await prompts.save("greeting", desk.define(content), desk.editor())
    await prompts.label("greeting", "staging", 2, desk.editor())
    said = {}
    for reference in ("greeting", "greeting@latest", "greeting@staging", "greeting@1"):
        rendered = await prompts.render(reference, {"question": "?"})
        said[reference] = (rendered.messages[0].content, rendered.id, rendered.label)
    assert said == {
        "greeting": ("Three ?", "greeting@3", None),
        "greeting@latest": ("Three ?", "greeting@3", None),
        "greeting@staging": ("Two ?", "greeting@2", "staging"),
        "greeting@1": ("One ?", "greeting@1", None),
    }


async def test_a_version_keeps_what_was_saved(desk, prompts):
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "number"}}, "required": ["b"]}
    wanted = desk.define(
        output_schema=schema, role="a clerk", constraints=["Be brief."], sampling={"temperature": 0.2, "stop": ["END"]},
        examples={"items": [{"input": {"question": "Why?"}, "output": "So."}]}, model="local/smollm2-135m",
    )  # fmt: skip
    await prompts.save("kept", wanted, desk.editor("bob"), notes="the first")
    found = await prompts.version("kept@1")
    assert (found.definition, found.author, found.notes) == (wanted, "bob", "the first")
    assert list(found.definition.output_schema["properties"]) == ["b", "a"]


async def test_the_same_content_makes_no_new_version(desk, prompts):
    first = await prompts.save("same", desk.define(), desk.editor())
    again = await prompts.save("same", desk.define(), desk.editor())
    assert [(saved.version, saved.created) for saved in (first, again)] == [(1, True), (1, False)]


async def test_two_writers_at_once_lose_no_version(desk):
    one, other = (await desk.open()).of("local"), (await desk.open()).of("local")
    contents = [f"{number} {{{{ question }}}}" for number in range(12)]
    saved = await asyncio.gather(
        *((one, other)[number % 2].save("race", desk.define(content), desk.editor())
          for number, content in enumerate(contents))
    )  # fmt: skip
    assert sorted(one.version for one in saved) == list(range(1, 13))
    kept = await one.all_versions("race")
    assert [version.version for version in kept] == list(range(1, 13))
    assert {version.definition.messages[0].content for version in kept} == set(contents)


async def test_who_saves_over_somebody_else_is_told(desk, prompts):
    await prompts.save("shared", desk.define("One {{ question }}"), desk.editor(), expect=0)
    await prompts.save("shared", desk.define("Two {{ question }}"), desk.editor("bob"), expect=1)
    with pytest.raises(Conflict, match="newest version of 'shared' is 2, not 1"):
        await prompts.save("shared", desk.define("Mine {{ question }}"), desk.editor(), expect=1)
    assert (await prompts.show("shared")).prompt.latest == 2


async def test_a_label_moves_at_once_for_everybody(desk):
    one, other = (await desk.open()).of("local"), (await desk.open()).of("local")
    for content in ("One {{ question }}", "Two {{ question }}"):
        await one.save("live", desk.define(content), desk.editor())
    await one.label("live", "staging", 1, desk.editor())
    moves = [one.label("live", "staging", 1 + number % 2, desk.editor()) for number in range(8)]
    reads = [other.render("live@staging", {"question": "?"}) for _ in range(8)]
    found = await asyncio.gather(*moves, *reads)
    assert {rendered.messages[0].content for rendered in found[8:]} <= {"One ?", "Two ?"}
    shown = await one.show("live")
    trail = [(move.before, move.after) for move in reversed(shown.moves)]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(trail))  # an unbroken trail
    assert trail[-1][1] == shown.prompt.labels["staging"] == 2


async def test_a_rollback_goes_back_and_once_more_undoes_it(desk, prompts):
    for content in ("One {{ question }}", "Two {{ question }}"):
        await prompts.save("back", desk.define(content), desk.editor())
    await prompts.label("back", "staging", 1, desk.editor())
    with pytest.raises(Conflict, match="has been at no other version"):
        await prompts.rollback("back", "staging", desk.editor())
    await prompts.label("back", "staging", 2, desk.editor())
    assert (await prompts.rollback("back", "staging", desk.editor())).labels == {"staging": 1}
    assert (await prompts.rollback("back", "staging", desk.editor())).labels == {"staging": 2}
    await prompts.label("back", "staging", None, desk.editor())
    assert (await prompts.rollback("back", "staging", desk.editor())).labels == {"staging": 2}
    assert [entry[0] for entry in desk.log.entries[-4:]] == [
        "prompts.rollback", "prompts.rollback", "prompts.label", "prompts.rollback",
    ]  # fmt: skip
    assert desk.log.entries[-1] == ("prompts.rollback", "back@staging", None, 2)


async def test_a_protected_label_is_moved_by_administrators_alone(desk, prompts):
    await prompts.save("guarded", desk.define(), desk.editor())
    with pytest.raises(Forbidden):
        await prompts.label("guarded", "prod", 1, desk.editor())
    assert (await prompts.label("guarded", "prod", 1, desk.editor("boss", admin=True))).labels == {"prod": 1}
    for change in (
        prompts.label("guarded", "prod", None, desk.editor()),
        prompts.rollback("guarded", "prod", desk.editor()),
    ):
        with pytest.raises(Forbidden):
            await change


async def test_organisations_have_prompts_of_their_own(desk):
    library = await desk.open()
    mine, theirs = library.of("local"), library.of("acme")
    await mine.save("common", desk.define("Mine {{ question }}"), desk.editor())
    await theirs.save("common", desk.define("Theirs {{ question }}"), desk.editor())
    await mine.label("common", "staging", 1, desk.editor())
    assert (await theirs.render("common", {"question": "?"})).messages[0].content == "Theirs ?"
    with pytest.raises(NotFound):
        await theirs.render("common@staging", {"question": "?"})
    await theirs.delete("common", desk.editor(admin=True))
    assert [prompt.name for prompt in await mine.all()] == ["common"]
    assert await theirs.all() == []
    assert (await mine.show("common")).prompt.labels == {"staging": 1}


async def test_what_is_not_there_is_named_with_what_is(desk, prompts):
    await prompts.save("known", desk.define(), desk.editor())
    for reference, said in (("other", "no prompt 'other'"), ("known@7", "no version 7"), ("known@prod", "no label")):
        with pytest.raises(NotFound, match=said):
            await prompts.render(reference)
    for reference in ("Known", "known@", "known@-1", "known@0", "a b", "", "known@1@2"):
        with pytest.raises(InvalidParameter):
            await prompts.render(reference)
    for label in ("3", "latest", "", "Prod", "x" * 40):
        with pytest.raises(InvalidParameter):
            await prompts.label("known", label, 1, desk.editor(admin=True))
    with pytest.raises(NotFound):
        await prompts.label("known", "staging", 9, desk.editor())


async def test_a_removed_prompt_begins_anew(desk, prompts):
    await prompts.save("gone", desk.define("One {{ question }}"), desk.editor())
    await prompts.save("gone", desk.define("Two {{ question }}"), desk.editor())
    await prompts.label("gone", "staging", 2, desk.editor())
    await prompts.delete("gone", desk.editor(admin=True))
    assert (await prompts.save("gone", desk.define("New {{ question }}"), desk.editor())).version == 1
    shown = await prompts.show("gone")
    assert (shown.prompt.labels, shown.moves, len(shown.versions)) == ({}, [], 1)
