"""The index of questions, and how much memory it takes."""

import gc
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.cache.memory import MemoryStore
from guru.gateway.cache.semantic import SemanticIndex, size_of


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2), st.booleans()), max_size=80))
def test_it_finds_what_a_plain_search_finds(steps):
    index, plain = SemanticIndex(), {}
    for number, scope, add in steps:
        key, vector = bytes([number, scope]), unit(number + 1, 13 - number, 1)
        if add:
            index.add(bytes([scope]), key, f"question {number}", vector)
            plain[key] = (scope, f"question {number}")
        else:
            index.remove(key)
            plain.pop(key, None)
    assert len(index) == len(plain)
    for number, scope in ((0, 0), (5, 1), (12, 2)):
        found = [
            (key, question) for _, key, question in index.near(bytes([scope]), unit(number + 1, 13 - number, 1), -1)
        ]
        mine = {key: question for key, (at, question) in plain.items() if at == scope}
        assert len(found) == min(5, len(mine))
        assert all(mine[key] == question for key, question in found)
        if bytes([number, scope]) in mine:
            assert found[0][0] == bytes([number, scope])


@pytest.mark.parametrize("scopes", [1, 40, 1000])
def test_it_takes_no_more_memory_than_is_counted(scopes):
    """With a scope for each question too: callers choose their instructions."""
    index, store = SemanticIndex(), MemoryStore(1 << 20)
    store.on_evict = index.remove
    tracemalloc.start()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(1000):
        key, question = os.urandom(16), f"What is the meaning of the number {number}?"
        vector = np.full(384, number, np.float32)
        if store.put(key, b"x" * 300, 60, size_of(question, vector)):
            index.add(b"scope %d" % (number % scopes), key, question, vector)
    del vector, key, question
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert store.evicted > 0
    assert len(index) == len(store)
    assert used <= store.max_bytes * 1.1
