"""Documents come in their order, and as many at once as are stored quickly."""

import asyncio
from types import SimpleNamespace

import pytest

from guru.knowledge import batches
from guru.knowledge.batches import MOST, QUICK, SLOW, TEXTS, Batches


def document(name, texts):
    return SimpleNamespace(name=name, passages=["x"], sentences=[(0, 1)] * (texts - 1))


def names(batch):
    return [each.name for each in batch]


async def test_groups_are_cut_where_a_batch_is_full():
    queue = Batches()
    await queue.put([document(number, TEXTS // 2) for number in range(5)])
    await queue.put([document(5, TEXTS * 3), document(6, 1)])
    await queue.end()
    assert [names(await queue.next()) for _ in range(5)] == [[0, 1], [2, 3], [4, 5], [6], []]
    assert await queue.next() == []


async def test_quick_batches_grow_and_slow_ones_shrink_again():
    queue = Batches(workers=2)
    await queue.put([document(number, TEXTS) for number in range(400)])
    await queue.end()
    sizes = []
    for seconds in [QUICK / 2] * 6 + [(QUICK + SLOW) / 2] + [SLOW * 2] * 6:
        sizes.append(len(await queue.next()))
        queue.took(seconds)
    most = MOST // TEXTS
    assert sizes == [2, 4, 8, most, most, most, most, most, 8, 4, 2, 2, 2]


async def test_with_many_workers_batches_are_large_from_the_start():
    queue = Batches(workers=MOST)
    await queue.put([document(number, TEXTS) for number in range(3 * MOST)])
    await queue.end()
    for _ in range(3):
        assert len(await queue.next()) == MOST
        queue.took(QUICK / 2)


async def test_what_is_there_is_not_kept_waiting(monkeypatch):
    monkeypatch.setattr(batches, "LINGER", 0.01)
    queue = Batches()
    first = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    await queue.put([document("a", 2)])
    assert names(await first) == ["a"]  # more never came
    await queue.put([])
    await queue.put([document("b", 2)])
    assert names(await queue.next()) == ["b"]
    await queue.end()
    assert await queue.next() == []


async def test_whoever_brings_waits_for_whoever_takes():
    queue = Batches()
    for number in range(batches.AHEAD):
        await queue.put([document(number, 1)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.put([document("more", 1)])
    assert len(await queue.next()) == batches.AHEAD
