"""Prompts as files: what is written is read again, and a folder is followed."""

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import Conflict, InvalidParameter
from guru.prompts.files import read_json, read_toml, to_file, write_toml
from guru.prompts.folder import Folder

GREETING = """
notes = "the first"
labels = ["prod"]

[[messages]]
role = "user"
content = "Greet {{ name }}."

[variables.name]
description = "Who is greeted."
"""
ODD = 'a\r\nb\\ """"\n\x07'
B = {"type": "number", "default": 1.5}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.lists(TEXT, min_size=1, max_size=3), st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=3))
def test_a_prompt_is_read_as_it_was_written(content, description, outputs, schema):
    definition = to_file(
        {
            "messages": [{"role": "system", "content": content}, {"role": "user", "content": ODD}],
            "description": description[:2000],
            "variables": {"a": {"default": description, "choices": [description]}, "b": B},
            "examples": {"items": [{"input": {"a": text}, "output": text} for text in outputs]},
            "output_schema": {"type": "object", "properties": schema},
            "sampling": {"temperature": 0.5, "stop": ["x\ny"]},
        }
    ).definition()  # fmt: skip
    assert read_toml(write_toml(definition, notes="n").encode()).definition() == definition


def test_what_is_no_prompt_is_said_to_be_none():
    for data in (b"x =", b"\xff", b'messages = "x"', b"[[messages]]\nrole = 'clown'\ncontent = ''", b"", b"a = 1"):
        with pytest.raises(InvalidParameter):
            read_toml(data)
    for data in (b"", b"{", b"[]", b'{"messages": []}', b"[" * 100_000):
        with pytest.raises(InvalidParameter):
            read_json(data)


async def test_what_only_toml_can_say_is_kept_as_json(desk, prompts):
    schema = "[output_schema]\nsince = 1979-05-27\nmost = inf\n"
    await prompts.save("odd", read_toml((GREETING + schema).encode()).definition(), desk.editor())
    assert (await prompts.version("odd")).definition.output_schema == {"since": "1979-05-27", "most": None}


async def test_what_no_database_takes_is_refused_before(desk, prompts):
    with pytest.raises(InvalidParameter):
        read_toml(GREETING.replace("the first", "a\\u0000b").encode())
    deep = {}
    for _ in range(400):
        deep = {"properties": deep}
    with pytest.raises(InvalidParameter, match="nested too deeply"):
        await prompts.save("deep", desk.define(output_schema=deep), desk.editor())
    null = desk.define("a\x00b {{ question }}", description="\x00", output_schema={"\x00": "\x00"})
    await prompts.save("null", null, desk.editor())
    assert (await prompts.version("null")).definition == null


def test_toml_has_no_null():
    definition = to_file(
        {"messages": [{"role": "user", "content": "x"}], "output_schema": {"enum": [None]}}
    ).definition()
    with pytest.raises(InvalidParameter, match="TOML has no null"):
        write_toml(definition)


@pytest.fixture
async def folder(desk, tmp_path):
    library = await desk.open()
    path = tmp_path / "prompts"
    path.mkdir()
    return Folder(path, library, "local", desk.log)


async def look(folder):
    await folder.sync(folder._look())


async def test_a_folder_is_followed(desk, folder):
    prompts = (await desk.open()).of("local")
    file = folder.path / "greeting.toml"
    file.write_text(GREETING, encoding="utf-8")
    await folder.open(watch=False)
    found = await prompts.version("greeting@prod")
    assert (found.version, found.notes, found.author) == (1, "the first", "file greeting.toml")
    file.write_text(GREETING.replace("Greet", "Welcome"), encoding="utf-8")
    await look(folder)
    rendered = await prompts.render("greeting@prod", {"name": "Ann"})
    assert (rendered.id, rendered.messages[0].content) == ("greeting@2", "Welcome Ann.")
    await look(folder)
    assert (await prompts.show("greeting")).prompt.latest == 2


async def test_a_file_is_the_source_of_its_prompt(desk, folder):
    prompts = (await desk.open()).of("local")
    (folder.path / "greeting.toml").write_text(GREETING, encoding="utf-8")
    await folder.open(watch=False)
    boss = desk.editor(admin=True)
    for change in (prompts.save("greeting", desk.define(), boss), prompts.delete("greeting", boss)):
        with pytest.raises(Conflict, match=r"read from greeting\.toml"):
            await change
    (folder.path / "greeting.toml").unlink()
    await look(folder)
    assert (await prompts.save("greeting", desk.define(), boss)).version == 2


async def test_a_rollback_holds_until_the_file_changes(desk, folder):
    prompts = (await desk.open()).of("local")
    file = folder.path / "greeting.toml"
    for word in ("Greet", "Insult"):
        file.write_text(GREETING.replace("Greet", word), encoding="utf-8")
        await look(folder)
    await prompts.rollback("greeting", "prod", desk.editor(admin=True))
    os.utime(file, ns=(1, 1))
    await look(folder)  # touched, and by a server that starts anew: nothing is new in it
    again = Folder(folder.path, await desk.open(), "local", desk.log)
    await again.open(watch=False)
    assert (await prompts.show("greeting")).prompt.labels == {"prod": 1}
    file.write_text(GREETING.replace("Greet", "Praise"), encoding="utf-8")
    await look(folder)
    assert (await prompts.show("greeting")).prompt.labels == {"prod": 3}


async def test_a_file_that_is_wrong_changes_nothing_and_is_named(desk, folder):
    prompts = (await desk.open()).of("local")
    file = folder.path / "greeting.toml"
    file.write_text(GREETING, encoding="utf-8")
    await folder.open(watch=False)
    for wrong in ("x =", GREETING.replace("{{ name }}", "{{ nam }}"), GREETING.replace('"prod"', '"3"'), ""):
        file.write_text(wrong, encoding="utf-8")
        await look(folder)
        (problem,) = folder.problems
        assert (problem.file, bool(problem.error)) == ("greeting.toml", True)
        assert (await prompts.render("greeting@prod", {"name": "Ann"})).id == "greeting@1"
    (folder.path / "No Name.toml").write_text(GREETING, encoding="utf-8")
    await look(folder)
    assert [problem.file for problem in folder.problems] == ["No Name.toml", "greeting.toml"]
    file.write_text(GREETING.replace("Greet", "Welcome"), encoding="utf-8")
    await look(folder)
    assert [problem.file for problem in folder.problems] == ["No Name.toml"]


async def test_a_folder_is_watched(desk, folder, monkeypatch):
    monkeypatch.setattr("guru.prompts.folder.INTERVAL", 0.02)
    prompts = (await desk.open()).of("local")
    await folder.open(watch=True)
    try:
        (folder.path / "greeting.toml").write_text(GREETING, encoding="utf-8")
        async with asyncio.timeout(20):
            while not await prompts.all():
                await asyncio.sleep(0.02)
    finally:
        await folder.aclose()


async def test_another_folder_is_followed(desk, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("guru.prompts.folder.INTERVAL", 0.01)
    prompts = (await desk.open()).of("local")
    (folder.path / "greeting.toml").write_text(GREETING, encoding="utf-8")
    await folder.open(watch=True)
    for place in ("empty", "other"):
        (tmp_path / place).mkdir()
    (tmp_path / "other" / "greeting.toml").write_text(GREETING.replace("Greet", "Welcome"), encoding="utf-8")

    async def until(condition):
        async with asyncio.timeout(20):
            while not condition((await prompts.show("greeting")).prompt):
                await asyncio.sleep(0.01)

    folder.follow(tmp_path / "empty")
    await until(lambda prompt: prompt.file is None)  # its file is not there: it is everybody's
    folder.follow(tmp_path / "other")
    await until(lambda prompt: (prompt.file, prompt.latest) == ("greeting.toml", 2))
    folder.follow(folder.path)
    await folder.aclose()
