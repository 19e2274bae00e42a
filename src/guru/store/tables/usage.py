"""What was used, by the hour: the ledger that accounts and budgets are read from."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, PrimaryKeyConstraint, String, Table

from guru.store.tables.base import metadata

# One row for each hour and combination; an empty string is: none. Requests are counted once, with the model that
# answered; tokens and costs with each model that was called, also where the answer was thrown away.
usage = Table(
    "usage",
    metadata,
    Column("tenant", String, nullable=False),
    # Hours since 1970, UTC.
    Column("hour", Integer, nullable=False),
    Column("key", String, nullable=False),
    Column("team", String, nullable=False),
    Column("user", String, nullable=False),
    Column("model", String, nullable=False),
    # The model or alias that was asked for.
    Column("requested", String, nullable=False),
    Column("route", String, nullable=False),
    # A JSON array, sorted.
    Column("tags", String, nullable=False),
    Column("requests", BigInteger, nullable=False, default=0),
    Column("errors", BigInteger, nullable=False, default=0),
    Column("cancelled", BigInteger, nullable=False, default=0),
    # Answered from the cache, by the same request or by one that means the same.
    Column("cached_exact", BigInteger, nullable=False, default=0),
    Column("cached_semantic", BigInteger, nullable=False, default=0),
    # Answered with an old answer, because all else had failed.
    Column("cached_stale", BigInteger, nullable=False, default=0),
    Column("calls", BigInteger, nullable=False, default=0),
    # Calls whose tokens were counted here, and calls whose price is not known.
    Column("estimated_calls", BigInteger, nullable=False, default=0),
    Column("unpriced_calls", BigInteger, nullable=False, default=0),
    Column("prompt_tokens", BigInteger, nullable=False, default=0),
    Column("completion_tokens", BigInteger, nullable=False, default=0),
    Column("cached_tokens", BigInteger, nullable=False, default=0),
    Column("cache_write_tokens", BigInteger, nullable=False, default=0),
    Column("reasoning_tokens", BigInteger, nullable=False, default=0),
    # US dollars, and seconds from the request to its last event.
    Column("cost", Float, nullable=False, default=0.0),
    Column("seconds", Float, nullable=False, default=0.0),
    PrimaryKeyConstraint("tenant", "hour", "key", "team", "user", "model", "requested", "route", "tags"),
    Index("usage_of_key", "tenant", "key", "hour"),
)
