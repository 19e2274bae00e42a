"""OpenAI's files: the official client against a real server."""

import openai
import pytest
from sqlalchemy import update

from guru.store.scope import Scope
from guru.store.tables import files

LINES = b'{"a": 1}\n{"b": 2}\n'


async def upload(server, content=LINES, name="lines.jsonl", purpose="batch", **more):
    return await server.openai.files.create(file=(name, content), purpose=purpose, **more)


async def test_a_file_comes_back_as_it_went(server):
    file = await upload(server)
    assert (file.filename, file.purpose, file.bytes, file.status) == ("lines.jsonl", "batch", len(LINES), "processed")
    assert file.expires_at - file.created_at == 30 * 86400
    assert (await server.openai.files.content(file.id)).content == LINES
    found = await server.openai.files.retrieve(file.id)
    assert found == file


async def test_a_part_of_a_file_can_be_fetched(server):
    file = await upload(server, b"0123456789")
    url = f"{server.url}/v1/files/{file.id}/content"
    async with server.session.get(url, headers={"range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")
        assert response.headers["content-disposition"].startswith("attachment")


async def test_files_are_listed_in_pages(server):
    made = [await upload(server, str(i).encode(), f"{i}.txt", "user_data") for i in range(5)]
    await upload(server)
    listed = [file.id async for file in server.openai.files.list(purpose="user_data", limit=2)]
    assert listed == [file.id for file in reversed(made)]
    listed = [file.id async for file in server.openai.files.list(purpose="user_data", limit=2, order="asc")]
    assert listed == [file.id for file in made]


async def test_a_deleted_file_is_gone(server):
    file = await upload(server)
    assert (await server.openai.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await server.openai.files.retrieve(file.id)
    with pytest.raises(openai.NotFoundError):
        await server.openai.files.content(file.id)


async def test_an_expired_file_is_gone(server):
    file = await upload(server)
    past = update(files).where(files.c.id == file.id).values(expires_at=1.0)
    await server.services.database.write(lambda connection: connection.execute(past))
    with pytest.raises(openai.NotFoundError):
        await server.openai.files.retrieve(file.id)
    assert [item async for item in server.openai.files.list()] == []


async def test_the_file_of_another_tenant_is_not_there(server):
    file = await upload(server)
    with pytest.raises(Exception, match="no file"):
        await server.services.files.get(Scope("somebody else"), file.id)


async def test_a_large_file_is_kept_whole(server):
    content = bytes(range(256)) * 20_000
    file = await upload(server, content, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.expires_at - file.created_at == 3600
    assert (await server.openai.files.content(file.id)).content == content


async def test_what_cannot_be_kept_is_refused(server):
    with pytest.raises(openai.BadRequestError, match="purpose"):
        await upload(server, purpose="fun")
    with pytest.raises(openai.BadRequestError, match="seconds"):
        await upload(server, expires_after={"anchor": "created_at", "seconds": 5})
    status, answer = await server.post("/v1/files", {"a": 1})
    assert (status, "multipart" in answer["error"]["message"]) == (400, True)


async def test_two_files_of_the_same_content_are_two(server):
    first, second = await upload(server), await upload(server)
    await server.openai.files.delete(first.id)
    assert (await server.openai.files.content(second.id)).content == LINES


@pytest.mark.parametrize("seconds", ["\u00b2", "9" * 5000, "-1", ""])
async def test_seconds_that_are_no_number_are_refused(server, seconds):
    with pytest.raises(openai.BadRequestError) as caught:
        await upload(server, extra_body={"expires_after": {"anchor": "created_at", "seconds": seconds}})
    assert caught.value.param == "expires_after[seconds]"
