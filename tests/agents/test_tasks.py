"""The task set of `benchmarks/agent_tasks.py`, by a scripted model: two tasks of each kind, in every strategy."""

import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from guru.agents.strategies import STRATEGIES
from guru.agents.tools.toolbox import Toolbox
from guru.models.local.embedder import MiniLMEmbedder

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(FOLDER))
    try:
        import agent_tasks
    finally:
        sys.path.remove(str(FOLDER))
    return agent_tasks


@pytest.fixture(scope="module")
def world(bench, tmp_path_factory):
    shop, embedder = tmp_path_factory.mktemp("tasks") / "shop.db", MiniLMEmbedder(threads=1)
    bench.make_shop(shop)
    yield shop, embedder
    embedder.close()


def test_the_set_is_as_large_as_it_says(bench):
    tasks = msgspec.convert(tomllib.loads(bench.TASKS.read_text(encoding="utf-8"))["tasks"], list[bench.Task])
    assert len(tasks) >= 30 and len({task.request for task in tasks}) == len(tasks)
    assert len({task.kind for task in tasks}) == 8
    assert not any(task.is_done(answer) for task in tasks for answer in ("", "I do it at once.", task.request))


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_competent_model_does_the_tasks(bench, world, strategy):
    shop, embedder = world
    tasks = msgspec.convert(tomllib.loads(bench.TASKS.read_text(encoding="utf-8"))["tasks"], list[bench.Task])
    model, wrong = bench.Competent(), []
    for task in bench.chosen(tasks, 2):
        answer, used = await bench.attempt(strategy, task, model, Toolbox(bench.tools(shop, embedder)), embedder)
        assert 0 < used.steps <= bench.STEPS and used.tokens > 0
        if not (task.is_done(answer) and bench.is_unharmed(shop)):
            wrong.append(task.request)
    # One specialist does not have the tools of two.
    assert wrong == ([] if strategy != "router" else [
        "How many lamps do we have in stock? Multiply it by 19.",
        "What does the handbook say about annual leave? Multiply it by 3.",
        "What is the exchange rate from euros to yen? Multiply it by 50.",
    ])  # fmt: skip
