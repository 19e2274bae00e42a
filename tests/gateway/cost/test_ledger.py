"""The ledger: every request once, every call with its model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from guru.gateway.cost.ledger import COUNTS, Ledger, UsageFilter, enter
from guru.observe.spans import CallRecord, TraceRecord
from guru.observe.traces import Tracer
from guru.store.database import Database
from guru.store.tables import usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture
async def database(stores: Any, tmp_path: Path) -> AsyncIterator[Database]:
    made = stores.database(tmp_path)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def trace(**changes: Any) -> TraceRecord:
    call = CallRecord(model="openai/gpt-4o", prompt_tokens=100, completion_tokens=10, cached_tokens=40, cost=0.5)
    values: dict[str, Any] = {
        "id": "trace", "tenant": "a", "route": "chat.completions", "requested": "smart", "model": "openai/gpt-4o",
        "key": "k1", "team": "web", "user": "ada", "status": "ok", "error": None, "started_at": NOON, "duration": 2.0,
        "first_token": None, "prompt_tokens": 100, "completion_tokens": 10, "cost": 0.5, "preview": None,
        "calls": [call],
    }  # fmt: skip
    return TraceRecord(**values | changes)


async def write(ledger: Ledger, *records: TraceRecord) -> None:
    await ledger._database.write(lambda connection: ledger.record(connection, list(records)))


async def test_what_was_used_adds_up(ledger: Ledger) -> None:
    await write(ledger, trace(), trace())
    await write(ledger, trace())
    (total,) = await ledger.totals("a")
    assert {name: total[name] for name in COUNTS if total[name]} == {
        "requests": 3, "calls": 3, "prompt_tokens": 300, "completion_tokens": 30, "cached_tokens": 120, "cost": 1.5,
        "seconds": 6.0,
    }  # fmt: skip
    rows = await ledger._database.read(lambda connection: connection.scalar(select(func.count()).select_from(usage)))
    assert rows == 1


async def test_a_request_that_fell_back_is_one_request_and_two_calls(ledger: Ledger) -> None:
    calls = [
        CallRecord(model="openai/gpt-4o", status="error", prompt_tokens=100, estimated=True, cost=0.25),
        CallRecord(model="groq/llama", prompt_tokens=90, completion_tokens=9, cost=0.125),
    ]
    await write(ledger, trace(model="groq/llama", calls=calls))
    rows = {row["model"]: row for row in await ledger.totals("a", ("model",))}
    assert {name: (row["requests"], row["calls"], row["cost"]) for name, row in rows.items()} == {
        "openai/gpt-4o": (0, 1, 0.25),
        "groq/llama": (1, 1, 0.125),
    }
    assert rows["openai/gpt-4o"]["estimated_calls"] == 1


async def test_an_unknown_price_is_counted_and_costs_nothing_known(ledger: Ledger) -> None:
    await write(ledger, trace(calls=[CallRecord(model="x/y", prompt_tokens=5, cost=None)]))
    (total,) = await ledger.totals("a")
    assert (total["unpriced_calls"], total["cost"], total["prompt_tokens"]) == (1, 0, 5)


async def test_how_requests_ended_and_where_answers_came_from(ledger: Ledger) -> None:
    await write(
        ledger,
        trace(status="error", calls=[]), trace(status="cancelled"), trace(cache="exact", calls=[]),
        trace(cache="semantic", calls=[]), trace(cache="stale", calls=[]), trace(model=None, key=None, calls=[]),
    )  # fmt: skip
    (total,) = await ledger.totals("a")
    counted = ("requests", "errors", "cancelled", "cached_exact", "cached_semantic", "cached_stale", "calls")
    assert [total[name] for name in counted] == [6, 1, 1, 1, 1, 1, 1]


async def test_tenants_do_not_see_each_other(ledger: Ledger) -> None:
    await write(ledger, trace(), trace(tenant="b"))
    assert [row["requests"] for row in await ledger.totals("b")] == [1]
    assert (await ledger.totals("c"))[0]["requests"] == 0
    assert await ledger.totals("c", ("model",)) == []


async def test_by_day_and_hour(ledger: Ledger) -> None:
    for hours in (0, 11, 12, 35):
        await write(ledger, trace(started_at=NOON + hours * 3600))
    midnight = NOON - 12 * 3600
    days = {row["day"]: row["requests"] for row in await ledger.totals("a", ("day",))}
    assert days == {midnight: 2, midnight + 86400: 2}
    hours_ = {row["hour"] for row in await ledger.totals("a", ("hour",))}
    assert hours_ == {NOON, NOON + 11 * 3600, NOON + 12 * 3600, NOON + 35 * 3600}


async def test_a_request_counts_for_each_of_its_tags(ledger: Ledger) -> None:
    await write(ledger, trace(tags=["beta", "mobile"]), trace(tags=["mobile"]), trace(tags=[]))
    tags = {row["tag"]: row["requests"] for row in await ledger.totals("a", ("tag",))}
    assert tags == {"beta": 1, "mobile": 2, "": 1}
    mobile = UsageFilter(tag="mobile")
    assert [row["requests"] for row in await ledger.totals("a", (), mobile)] == [2]
    assert [row["requests"] for row in await ledger.totals("a", ("model",), mobile)] == [2]
    assert [row["tag"] for row in await ledger.totals("a", ("tag",), mobile)] == ["mobile"]
    assert [row["requests"] for row in await ledger.totals("a", (), UsageFilter(tag="no"))] == [0]


async def test_filters(ledger: Ledger) -> None:
    await write(ledger, trace(), trace(key="k2", user="bob", started_at=NOON + 3600))
    for chosen in (
        UsageFilter(key="k2"),
        UsageFilter(user="bob"),
        UsageFilter(start=datetime.fromtimestamp(NOON + 3600, UTC)),
    ):
        assert [row["key"] for row in await ledger.totals("a", ("key",), chosen)] == ["k2"]
    before = UsageFilter(end=datetime.fromtimestamp(NOON + 3600, UTC))
    assert [row["key"] for row in await ledger.totals("a", ("key",), before)] == ["k1"]


async def test_what_budgets_ask(ledger: Ledger) -> None:
    await write(ledger, trace(), trace(started_at=NOON - 7200), trace(key="k2", team=None), trace(key=None))
    assert await ledger.spent("a", "key", NOON) == {"k1": 0.5, "k2": 0.5}
    assert await ledger.spent("a", "key", NOON - 7200) == {"k1": 1.0, "k2": 0.5}
    assert await ledger.spent("a", "team", NOON) == {"web": 1.0}


async def test_a_trace_that_is_replayed_after_a_kill_counts_once(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    tracer = Tracer(database, tmp_path)
    tracer.on_save.append(ledger.record)
    await tracer.open()
    begun = tracer.begin("01", "a", "chat.completions")
    begun.calls.append(CallRecord(model="openai/gpt-4o", prompt_tokens=3, cost=0.25))
    tracer.end(begun)
    journal = next((tmp_path / "journal").glob("*.ndjson"))
    lines = journal.read_bytes()
    await tracer.close()
    journal.write_bytes(lines)  # as if the process had died after the commit and before it forgot its journal

    again = Tracer(database, tmp_path)
    again.on_save.append(ledger.record)
    await again.open()
    await again.close()
    (total,) = await ledger.totals("a")
    assert (total["requests"], total["calls"], total["cost"]) == (1, 1, 0.25)


CALLS = st.builds(
    CallRecord,
    model=st.sampled_from(["m", "n"]),
    prompt_tokens=st.integers(0, 9),
    completion_tokens=st.integers(0, 9),
    cost=st.none() | st.integers(0, 9).map(float),
)


@given(st.lists(st.tuples(st.sampled_from(["m", "n", None]), st.lists(CALLS, max_size=3)), max_size=12))
def test_no_token_is_lost_or_counted_twice(requests: list[tuple[str | None, list[CallRecord]]]) -> None:
    buckets: dict[Any, dict[str, float]] = {}
    for model, calls in requests:
        enter(trace(model=model, calls=calls), buckets)
    every = [call for _, calls in requests for call in calls]

    def total(name: str) -> float:
        return sum(counts[name] for counts in buckets.values())

    assert total("requests") == len(requests)
    assert total("calls") == len(every)
    assert total("prompt_tokens") == sum(call.prompt_tokens for call in every)
    assert total("completion_tokens") == sum(call.completion_tokens for call in every)
    assert total("cost") == sum(call.cost or 0 for call in every)
    assert total("unpriced_calls") == sum(call.cost is None for call in every)
