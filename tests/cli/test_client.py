import asyncio
import json

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.cli.client import connect_url, live_server, read_events, read_server_file, to_error
from guru.errors import ConfigurationError, GuruError, ModelNotFound, NotFound
from running import run
from scripted import run_server


async def parse(data, size):
    """The events of a stream whose bytes arrive `size` at a time."""
    stream = aiohttp.StreamReader(_protocol(), 1 << 20, loop=asyncio.get_running_loop())
    for start in range(0, len(data), size):
        stream.feed_data(data[start : start + size])
    stream.feed_eof()
    return [event async for event in read_events(stream)]


def _protocol():
    return aiohttp.base_protocol.BaseProtocol(loop=asyncio.get_running_loop())


names = st.text("abcdefghijklmnopqrstuvwxyz.", min_size=1).filter(lambda name: name.strip() == name)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50, deadline=None)
@given(events=st.lists(st.tuples(names, values)), size=st.integers(1, 64))
def test_events_are_read_however_the_bytes_are_cut(events, size):
    data = b"".join(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode() for name, value in events)
    assert asyncio.run(parse(data, size)) == events


async def test_comments_and_windows_line_ends_are_understood():
    data = b': keep-alive\n\nevent: delta\r\ndata: {"text":\r\ndata: "a"}\r\n\r\n: ping\n\ndata: [DONE]\n\n'
    assert await parse(data, 7) == [("delta", {"text": "a"}), ("message", "[DONE]")]


def test_an_error_comes_back_as_the_class_that_was_raised():
    body = {"error": {"type": "invalid_request_error", "code": "model_not_found", "message": "No.", "hint": "Yes."}}
    error = to_error(404, body)
    assert (type(error), error.message, error.hint) == (ModelNotFound, "No.", "Yes.")
    assert type(to_error(404, {"error": {"code": "not_found", "message": "No."}})) is NotFound
    assert type(to_error(500, {"error": {"code": "configuration_error", "message": "No."}})) is ConfigurationError


async def test_a_reader_of_ours_that_stops_is_no_broken_connection(tmp_path):
    """`guru batch results ID | head`: click ends the command in silence, where the pipe's error reaches it."""
    async with run_server(tmp_path) as server, connect_url(server.url) as client:
        with pytest.raises(BrokenPipeError):
            async for _ in client.download("/openapi.json"):
                raise BrokenPipeError


@pytest.mark.parametrize("body", [None, [], {}, {"error": "text"}, {"detail": 1}])
def test_an_answer_that_is_no_error_of_ours_is_named_by_its_status(body):
    error = to_error(502, body)
    assert type(error) is GuruError
    assert "502" in error.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_server_file_is_no_server(tmp_path, text):
    (tmp_path / "server.json").write_text(text)
    assert read_server_file(tmp_path) is None


async def test_the_file_of_a_server_that_died_is_no_server(tmp_path):
    (tmp_path / "server.json").write_text(json.dumps({"pid": 2**22 + 1, "url": "http://127.0.0.1:9"}))
    assert await live_server(tmp_path) is None


async def test_another_process_with_the_number_of_a_dead_server_is_no_server(tmp_path):
    (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:9"}))
    assert await live_server(tmp_path) is None


def test_without_a_server_a_command_does_the_work_itself_and_leaves_nothing_running(home):
    assert run(home, "collections").stdout.startswith("There are no collections yet.")
    assert not (home / "server.json").exists()


def test_a_long_home_is_no_obstacle_to_the_private_socket(home):
    deep = home / ("a" * 60) / ("b" * 60)
    assert run(deep, "collections").returncode == 0
