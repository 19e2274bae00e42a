"""Traces survive whatever happens to the process."""

import asyncio
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from guru.errors import NotFound
from guru.observe import traces as module
from guru.observe.journal import Begun, interrupted
from guru.observe.spans import CallRecord
from guru.observe.traces import Tracer
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.scope import Scope


@pytest.fixture
async def database(tmp_path):
    database = Database.in_home(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def tracer(database, tmp_path):
    tracer = Tracer(database, tmp_path)
    await tracer.open()
    yield tracer
    await tracer.close()


def journal(home):
    return sorted((home / "journal").glob("*.ndjson"))


def record(tracer, route="ask", **attributes):
    trace = tracer.begin(new_id("tr"), "local", route)
    with trace.span("chat", **attributes):
        pass
    tracer.end(trace)
    return trace.id


async def test_spans_lie_inside_each_other(tracer):
    trace = tracer.begin("tr_1", "local", "ask")
    with trace.span("ask"):
        with trace.span("retrieve") as span:
            span.set("hits", [1, 2])
        with pytest.raises(ValueError, match="broke"), trace.span("chat"):
            raise ValueError("it broke")
    tracer.end(trace)
    found = await tracer.get(Scope("local"), "tr_1")
    root, retrieve, chat = found["spans"]
    assert (retrieve["parent_id"], chat["parent_id"], root["parent_id"]) == (root["id"], root["id"], None)
    assert root["start"] <= retrieve["start"] <= retrieve["end"] <= chat["start"] <= root["end"]
    assert retrieve["attributes"] == {"hits": [1, 2]}
    assert (chat["status"], chat["attributes"]["error.message"]) == ("error", "it broke")


async def test_a_call_that_ends_after_its_answer_is_not_counted_twice(tracer):
    trace = tracer.begin("tr_2", "local", "chat.completions")
    trace.told(33, 20, 0.5)
    trace.add(CallRecord(model="local/small", prompt_tokens=33, completion_tokens=20, cost=0.5))
    tracer.end(trace)
    found = await tracer.get(Scope("local"), "tr_2")
    assert (found["prompt_tokens"], found["completion_tokens"], found["cost"]) == (33, 20, 0.5)


async def test_a_trace_is_there_as_soon_as_it_has_ended(tracer):
    ids = [record(tracer) for _ in range(3)]
    listed = await tracer.list(Scope("local"))
    assert {row["id"] for row in listed} == set(ids)
    assert tracer.waiting == 0


async def test_lists_go_on_where_they_stopped_and_know_routes(tracer):
    for route in ("ask", "chat", "ask"):
        record(tracer, route)
        await asyncio.sleep(0.002)
    first = await tracer.list(Scope("local"), limit=2)
    second = await tracer.list(Scope("local"), limit=2, before=first[-1]["id"])
    assert [row["route"] for row in first + second] == ["ask", "chat", "ask"]
    assert len(await tracer.list(Scope("local"), route="ask")) == 2


async def test_tenants_do_not_see_each_other(tracer):
    trace_id = record(tracer)
    assert await tracer.list(Scope("other")) == []
    with pytest.raises(NotFound):
        await tracer.get(Scope("other"), trace_id)


async def test_odd_values_in_a_span_do_not_break_the_request(tracer):
    trace_id = record(tracer, score=np.float32(0.5), kind=ValueError, nothing=float("nan"))
    (span,) = (await tracer.get(Scope("local"), trace_id))["spans"]
    assert span["attributes"] == {"score": 0.5, "kind": "<class 'ValueError'>", "nothing": None}


async def test_a_full_queue_drops_nothing(tracer, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "QUEUE", 2)
    ids = [record(tracer) for _ in range(10)]
    assert {row["id"] for row in await tracer.list(Scope("local"))} == set(ids)
    assert [path.stat().st_size for path in journal(tmp_path)] == [0]


async def test_the_journal_does_not_grow(tracer, monkeypatch, tmp_path):
    monkeypatch.setattr("guru.observe.journal.SEGMENT_BYTES", 1000)
    for _ in range(20):
        record(tracer, note="x" * 200)
    assert len(journal(tmp_path)) > 5
    await tracer.flush()
    assert len(journal(tmp_path)) == 1


async def test_a_database_that_refuses_loses_nothing(tracer, monkeypatch, database):
    write, failures = database.write, []

    async def refuse(change, **how):
        failures.append(change)
        raise OSError("disk full")

    monkeypatch.setattr(database, "write", refuse)
    trace_id = record(tracer)
    with pytest.raises(OSError, match="disk full"):
        await tracer.list(Scope("local"))
    monkeypatch.setattr(database, "write", write)
    assert [row["id"] for row in await tracer.list(Scope("local"))] == [trace_id]


async def test_old_traces_are_forgotten(tracer):
    old, new = record(tracer), record(tracer)
    began = {row["id"]: row["started_at"] for row in await tracer.list(Scope("local"))}
    assert await tracer.prune(began[new]) == 1
    assert [row["id"] for row in await tracer.list(Scope("local"))] == [new]
    assert old not in [row["id"] for row in await tracer.list(Scope("local"))]


async def test_what_is_derived_counts_every_trace_once_whatever_is_replayed(tracer, database, tmp_path):
    seen = []
    tracer.on_save.append(lambda connection, records: seen.extend(item.id for item in records))
    ids = [record(tracer) for _ in range(3)]
    await tracer.flush()
    saved = [row["id"] for row in await tracer.list(Scope("local"))]
    await tracer._replay([journal_record(trace_id) for trace_id in [*ids, "tr_unknown"]])
    assert sorted(seen) == sorted([*saved, "tr_unknown"])


def journal_record(trace_id):
    begun = Begun(id=trace_id, tenant="local", route="ask", started_at=0.0)
    return interrupted(begun)


WRITER = """
import asyncio, sys
from pathlib import Path
from guru.observe.traces import Tracer
from guru.store.database import Database

async def main():
    home = Path(sys.argv[1])
    database = Database.in_home(home)
    await database.open()
    tracer = Tracer(database, home)
    await tracer.open()
    for number in range(50):
        trace = tracer.begin(f"tr_{number}", "local", "ask")
        if number % 2 == 0:
            tracer.end(trace)
        print(trace.id, flush=True)
        if number == 20:
            await tracer.flush()
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_trace_that_was_told(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (segment,) = journal(tmp_path)
    with segment.open("ab") as file:
        file.write(b'{"type":"end","id":"tr_torn","tena')

    database = Database.in_home(tmp_path)
    await database.open()
    for _ in range(2):  # the second time there is nothing left to replay, and nothing doubles
        tracer = Tracer(database, tmp_path)
        await tracer.open()
        listed = {row["id"]: row for row in await tracer.list(Scope("local"), limit=100)}
        await tracer.close()
    await database.close()
    assert set(listed) == set(told)
    assert listed["tr_48"]["status"] == "ok"
    assert listed["tr_49"]["status"] == "error"
    assert "stopped" in listed["tr_49"]["error"]
    assert journal(tmp_path) == []


async def test_the_journal_of_a_living_process_is_left_alone(tracer, database, tmp_path):
    trace = tracer.begin("tr_open", "local", "ask")
    second = Tracer(database, tmp_path)
    await second.open()
    assert await second.list(Scope("local")) == []
    await second.close()
    tracer.end(trace)
    assert [row["status"] for row in await tracer.list(Scope("local"))] == ["ok"]
