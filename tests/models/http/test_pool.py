"""Connections: reuse, limits, cancellation."""

import asyncio
import gc
import socket
import tracemalloc

import pytest

from guru.errors import ConfigurationError, ModelError, ModelUnavailable
from guru.models.http import Reach, Timeouts, connection, dial
from raw_http import answering, repeating, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


async def fetch(client, url, **options):
    return await (await client.request("POST", url, body=b"x", **options)).read()


def test_a_thousand_requests_share_their_connections(run):
    async def main():
        async with serving(repeating(OK), max_connections=64) as (client, upstream):
            bodies = await asyncio.gather(*(fetch(client, upstream.url) for _ in range(1000)))
            assert bodies == [b"hello"] * 1000
            assert upstream.connections <= 64
            assert len(upstream.requests) == 1000

    run(main())


def test_who_comes_first_is_served_first(run):
    async def main():
        async with serving(repeating(OK), max_connections=1) as (client, upstream):
            order = []

            async def ask(number):
                await client.request("POST", upstream.url, body=b"%d" % number)
                order.append(number)

            await asyncio.gather(*map(ask, range(20)))
            assert order == list(range(20))
            assert upstream.connections == 1

    run(main())


def test_waiting_for_a_connection_ends(run):
    async def main():
        async with serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), max_connections=1) as (
            client,
            upstream,
        ):
            response = await client.request("POST", upstream.url)
            with pytest.raises(ModelUnavailable, match="busy"):
                await client.request("POST", upstream.url, timeouts=Timeouts(connect=0.03))
            await response.aclose()

    run(main())


def test_the_connection_used_last_is_used_next(run):
    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            await asyncio.gather(*(fetch(client, upstream.url) for _ in range(4)))
            opened = upstream.connections
            assert opened == 4
            for _ in range(10):
                await fetch(client, upstream.url)
            assert upstream.connections == opened

    run(main())


def test_idle_connections_close(run, monkeypatch):
    monkeypatch.setattr(connection, "KEEP", 0.05)

    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            await fetch(client, upstream.url)
            assert client.connections == {upstream.url: (1, 1)}
            await asyncio.sleep(0.15)
            assert client.connections == {upstream.url: (0, 0)}
            assert await fetch(client, upstream.url) == b"hello"

    run(main())


def test_a_connection_that_the_server_closed_is_not_used(run):
    async def main():
        async with serving(answering(OK, close=True)) as (client, upstream):
            for _ in range(3):
                assert await fetch(client, upstream.url) == b"hello"
                await asyncio.sleep(0.01)
            assert client.connections == {upstream.url: (0, 0)}

    run(main())


def test_bytes_that_nobody_asked_for_end_an_idle_connection(run):
    async def main():
        async with serving(answering([OK, 0.02, b"HTTP/1.1 408 Too slow\r\n\r\n"])) as (client, upstream):
            assert await fetch(client, upstream.url) == b"hello"
            await asyncio.sleep(0.05)
            assert client.connections == {upstream.url: (0, 0)}

    run(main())


def test_a_stale_connection_is_tried_once_more(run):
    """The server closes when the second request of a connection comes, as after an idle timeout."""

    async def impatient(upstream, reader, writer):
        await upstream.read_request(reader)
        writer.write(OK)
        await reader.readexactly(1)

    async def main():
        async with serving(impatient) as (client, upstream):
            for number in range(1, 4):
                assert await fetch(client, upstream.url) == b"hello"
                assert upstream.connections == number
            assert len(upstream.requests) == 3

    run(main())


def test_an_answer_that_had_begun_is_not_asked_for_again(run):
    async def main():
        async with serving(answering(OK, b"H", close=True)) as (client, upstream):
            await fetch(client, upstream.url)
            with pytest.raises(ModelError, match="in the middle"):
                await fetch(client, upstream.url)
            assert len(upstream.requests) == 2

    run(main())


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_cancelling_drops_the_connection(run):
    async def main():
        async with serving(answering([])) as (client, upstream):
            task = asyncio.create_task(client.request("POST", upstream.url))
            await until(lambda: upstream.requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.connections == {upstream.url: (0, 0)}
            await until(lambda: upstream.open == 0)

    run(main())


@pytest.mark.parametrize("way", ["aclose", "break", "cancel", "with"])
def test_leaving_a_stream_drops_the_connection(run, way):
    async def main():
        async with serving(answering([STREAM])) as (client, upstream):
            response = await client.request("POST", upstream.url)
            if way == "with":
                async with response:
                    pass
            elif way == "cancel":
                task = asyncio.create_task(response.read())
                await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            else:
                parts = response.iter()
                assert await anext(parts) == b"hello"
                await (parts.aclose() if way == "break" else response.aclose())
            assert client.connections == {upstream.url: (0, 0)}
            await until(lambda: upstream.open == 0)

    run(main())


def test_a_storm_of_cancellations_leaves_nothing_behind(run):
    async def uneven(upstream, reader, writer):
        while True:
            await upstream.read_request(reader)
            await asyncio.sleep(len(upstream.requests) % 7 / 2000)
            writer.write(STREAM)
            await asyncio.sleep(len(upstream.requests) % 5 / 2000)
            writer.write(b"0\r\n\r\n")

    async def main():
        async with serving(uneven, max_connections=16) as (client, upstream):
            for turn in range(6):
                tasks = [asyncio.create_task(fetch(client, upstream.url)) for _ in range(60)]
                for place, task in enumerate(tasks):
                    if place % 3 != turn % 3:
                        asyncio.get_running_loop().call_later(place % 11 / 1000, task.cancel)
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(result == b"hello" or isinstance(result, asyncio.CancelledError) for result in results)
            assert await fetch(client, upstream.url) == b"hello"

    run(main())


def test_closing_the_client_ends_what_is_under_way(run):
    async def main():
        async with serving(answering([]), max_connections=1) as (client, upstream):
            tasks = [asyncio.create_task(fetch(client, upstream.url)) for _ in range(3)]
            await until(lambda: upstream.requests)
            await client.aclose()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(result, ModelError)

    run(main())


def test_the_first_address_that_answers_is_taken(run):
    async def main():
        async with serving(repeating(OK)) as (_, upstream):
            dead = socket.socket()
            dead.bind(("127.0.0.1", 0))
            addresses = [(socket.AF_INET, dead.getsockname()), (socket.AF_INET, ("127.0.0.1", upstream.port))]
            with await dial.race(addresses) as opened:
                assert opened.getpeername()[1] == upstream.port
            with pytest.raises(ConnectionRefusedError):
                await dial.race(addresses[:1] * 2)
            dead.close()

    run(main())


def test_memory_does_not_grow_with_requests():
    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            for number in range(3):
                for _ in range(400):
                    await fetch(client, upstream.url, headers={"x-trace": str(number)})
                upstream.requests.clear()
                gc.collect()
                if number == 0:
                    tracemalloc.start()
                    before = tracemalloc.get_traced_memory()[0]
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert grown < 100_000

    asyncio.run(main())


def test_each_provider_has_its_own_number_of_connections(run):
    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            few, many = Reach("few", 2), Reach("many", 5)
            asked = [fetch(client, upstream.url, reach=reach) for reach in (few, many) for _ in range(20)]
            assert await asyncio.gather(*asked) == [b"hello"] * 40
            assert client.connections == {upstream.url: (7, 7)}

    run(main())


def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_connected_to(run, monkeypatch):
    """The name may have led elsewhere a moment ago, and lead elsewhere a moment later: nobody looks twice."""
    asked = []

    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            loop = asyncio.get_running_loop()

            async def look_up(host, port, **options):
                asked.append(host)
                address = "127.0.0.1" if len(asked) > 1 else "169.254.169.254"
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

            monkeypatch.setattr(loop, "getaddrinfo", look_up, raising=False)
            with pytest.raises(ConfigurationError, match="private network"):
                await fetch(client, f"http://rebound.example:{upstream.port}/", reach=Reach("a", public=True))
            assert (asked, upstream.requests) == (["rebound.example"], [])
            # Whoever may reach private addresses has connections of his own, and lends them to nobody.
            assert await fetch(client, upstream.url, reach=Reach("b")) == b"hello"
            with pytest.raises(ConfigurationError, match="private network"):
                await fetch(client, upstream.url, reach=Reach("b", public=True))

    run(main())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("0.0.0.0", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::a00:1", False), ("64:ff9b::808:808", True),
        ("2002:a00:1::", False), ("2606:4700::1111", True),
    ],
)  # fmt: skip
def test_which_addresses_are_of_the_internet(address, public):
    assert dial.is_public(address) is public
