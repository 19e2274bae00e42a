"""What the agents of agent_tasks.py can reach: a shop's database, a handbook, dates, and services that are down."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path
from typing import Any

from guru.agents.agent import Agent
from guru.agents.tools.base import Tool, ToolContext
from guru.agents.tools.builtin.calculator import calculator
from guru.agents.tools.builtin.knowledge import Answer, knowledge_tools
from guru.agents.tools.builtin.sql.tool import sql_tools
from guru.agents.tools.function import FunctionTool
from guru.config import SqlToolSettings
from guru.config.agent import ToolExample
from guru.errors import DownloadError
from guru.models.local.embedder import MiniLMEmbedder
from guru.types import Hit

HANDBOOK = [
    "Every parent has 14 weeks of parental leave with full pay.",
    "Annual leave is 28 days a year. What is left lapses in March.",
    "The notice period is 6 weeks to the end of a month.",
    "For meals on a business trip we pay 38 euros a day.",
    "On a business trip we go by train, second class, where it takes less than five hours.",
    "Laptops are replaced every four years.",
    "Invoices are signed by Dana Whitfield; those over 5,000 euros by a second person, too.",
    "Up to three days a week can be worked from home.",
    "Bicycles may be left in the yard, cars in the street only.",
    "Visitors wear a badge, and are fetched at the door.",
]
ARTICLES = [("lamp", 19.90, 42), ("chair", 74.50, 17), ("desk", 240.00, 9), ("shelf", 55.25, 0)]
ORDERS = [
    ("lamp", 3, "Chen", "2026-01-12"), ("chair", 4, "Okafor", "2026-01-15"), ("lamp", 5, "Meyer", "2026-02-02"),
    ("desk", 1, "Chen", "2026-02-20"), ("shelf", 2, "Chen", "2026-03-03"), ("lamp", 2, "Okafor", "2026-03-09"),
]  # fmt: skip
RATES = {"dollars": 1.08, "yen": 162.5, "francs": 0.94}
SHOP = ["tables_shop", "query_shop", "live_stock"]
RATE = ["exchange_rate", "old_exchange_rate"]
DATES = ["days_between", "add_days", "day_of_week"]
EXAMPLES = [
    ToolExample(tool=tool, request=request, arguments=arguments)
    for tool, request, arguments in (
        ("days_between", "How many days lie between 2025-04-02 and 2025-06-30?",
         {"start": "2025-04-02", "end": "2025-06-30"}),
        ("days_between", "How long is it from 2023-01-05 to 2023-02-01, in days?",
         {"start": "2023-01-05", "end": "2023-02-01"}),
        ("add_days", "What is the date 10 days after 2025-04-02?", {"day": "2025-04-02", "days": 10}),
        ("day_of_week", "What weekday is 2025-12-24?", {"day": "2025-12-24"}),
        ("exchange_rate", "What is a euro in francs?", {"currency": "francs"}),
        ("live_stock", "How many shelves stand in the warehouse at this moment?", {"article": "shelf"}),
        ("query_shop", "How many shelves are in stock?", {"sql": "SELECT stock FROM articles WHERE name = 'shelf'"}),
        ("query_shop", "What is the price of a shelf in the shop?",
         {"sql": "SELECT price FROM articles WHERE name = 'shelf'"}),
        ("query_shop", "How many orders came from Meyer?",
         {"sql": "SELECT count(*) FROM orders WHERE customer = 'Meyer'"}),
    )
]  # fmt: skip
"""How small models are shown the tools: written apart from the tasks, for other things than those ask."""


class Handbook:
    """Implements `guru.agents.tools.builtin.knowledge.Documents` with one document, by vectors."""

    def __init__(self, embedder: MiniLMEmbedder) -> None:
        self._embedder = embedder

    async def collections(self, context: ToolContext) -> dict[str, int]:
        return {"default": 1}

    async def ask(self, collection: str, question: str, context: ToolContext) -> Answer:
        [hit] = await self.search(collection, question, 1, context)
        return hit.text, []

    async def search(self, collection: str, query: str, k: int, context: ToolContext) -> list[Hit]:
        vectors = await self._embedder.embed([query, *HANDBOOK])
        scores = (vectors[1:] @ vectors[0]).tolist()
        best = sorted(range(len(HANDBOOK)), key=lambda place: -scores[place])[:k]
        return [
            Hit(
                rank=rank, score=scores[place], document="handbook.md", document_id="handbook", chunk_id=place,
                page=None, start=0, end=len(HANDBOOK[place]), text=HANDBOOK[place],
            )
            for rank, place in enumerate(best, 1)
        ]  # fmt: skip


def make_shop(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE articles (name TEXT, price REAL, stock INTEGER)")
    connection.execute("CREATE TABLE orders (article TEXT, quantity INTEGER, customer TEXT, day TEXT)")
    connection.executemany("INSERT INTO articles VALUES (?, ?, ?)", ARTICLES)
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ORDERS)
    connection.commit()
    connection.close()


def is_unharmed(path: Path) -> bool:
    """Whether the shop has all its orders."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT article, quantity, customer, day FROM orders").fetchall()
    connection.close()
    return found == ORDERS


def days_between(start: datetime.date, end: datetime.date) -> int:
    """How many days there are from one date to another."""
    return (end - start).days


def add_days(day: datetime.date, days: int) -> str:
    """The date so many days after another."""
    return (day + datetime.timedelta(days=days)).isoformat()


def day_of_week(day: datetime.date) -> str:
    """Which day of the week a date is."""
    return day.strftime("%A")


def exchange_rate(currency: str) -> float:
    """What one euro is today in another currency, by the bank."""
    raise DownloadError("The bank does not answer.")


def old_exchange_rate(currency: str) -> float:
    """What one euro was yesterday in another currency, by the archive."""
    return RATES[currency]


def live_stock(article: str) -> int:
    """How many of an article are in the warehouse right now."""
    raise DownloadError("The warehouse does not answer.", hint="The database of the shop has the stock of last night.")


def tools(shop: Path, embedder: MiniLMEmbedder) -> list[Tool]:
    search = [tool for tool in knowledge_tools(Handbook(embedder)) if tool.spec.name == "search_documents"]
    return [
        calculator(), *search, *sql_tools("shop", SqlToolSettings(url=f"sqlite:///{shop}")),
        FunctionTool(days_between), FunctionTool(add_days), FunctionTool(day_of_week), FunctionTool(exchange_rate),
        FunctionTool(old_exchange_rate), FunctionTool(live_stock),
    ]  # fmt: skip


def agents(strategy: Any, **more: Any) -> tuple[Agent, list[Agent]]:
    """Who is asked, and whom they may hand over to: a router and a hand-off have specialists with few tools each."""
    shared: dict[str, Any] = {"alternatives": {"exchange_rate": ["old_exchange_rate"]}} | more
    if strategy not in ("router", "hand-off"):
        everything = ["calculator", "search_documents", *SHOP, *DATES, *RATE]
        return Agent(name="helper", strategy=strategy, tools=everything, examples=EXAMPLES, **shared), []
    known = {
        "reckoner": ("Calculates, and reckons with dates.", ["calculator", *DATES]),
        "librarian": ("Knows the handbook.", ["search_documents"]),
        "shopkeeper": ("Knows the shop: stock, prices, orders.", SHOP),
        "banker": ("Knows exchange rates.", RATE),
    }
    how: Any = "hand-off" if strategy == "hand-off" else "direct"
    team = [
        Agent(
            name=name, description=text, tools=names, strategy=how,
            agents=[other for other in known if other != name] if how == "hand-off" else [],
            examples=[example for example in EXAMPLES if example.tool in names], **shared,
        )
        for name, (text, names) in known.items()
    ]  # fmt: skip
    return Agent(name="desk", strategy=strategy, agents=list(known), **shared), team
