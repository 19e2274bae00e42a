"""What reusing a vector costs beside making it: processor time of a text, with a cache of 100,000 rows on SQLite.

python benchmarks/embedding_cache.py
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path

from sqlalchemy import Connection, insert

from guru.knowledge.embedding_cache import EmbeddingCache
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.database import Database
from guru.store.tables import embeddings

TEXTS = 512
ROWS = 100_000
WORDS = ("pump", "valve", "tea", "slope", "leave", "handbook", "mileage", "rate", "travel", "bearing", "march", "week")


def fill(connection: Connection) -> None:
    for _ in range(0, ROWS, 5000):
        rows = [
            {"key": os.urandom(32), "tenant": "t", "vector": os.urandom(388), "used_at": time.time()}
            for _ in range(5000)
        ]
        connection.execute(insert(embeddings), rows)


async def main() -> None:
    chance = random.Random(7)
    model = MiniLMEmbedder(threads=1)
    model.load()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.in_home(Path(folder))
        await database.open()
        await database.write(fill)
        cache = EmbeddingCache(database, megabytes=512, days=30)
        for words in (20, 120):
            texts = [" ".join(chance.choices(WORDS, k=words)) for _ in range(TEXTS)]
            began = time.process_time()
            await model.embed(texts)
            embedded = time.process_time()
            await cache.embed("t", model, texts)
            kept = time.process_time()
            found = await cache.embed("t", model, texts)
            assert found.reused == TEXTS
            reused = time.process_time()
            made, both, again = (
                seconds / TEXTS * 1000 for seconds in (embedded - began, kept - embedded, reused - kept)
            )
            print(f"{words:4} words: made {made:.2f} ms, made and kept {both:.2f} ms, reused {again:.3f} ms")
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
