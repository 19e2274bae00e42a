"""`kill -9` at every moment of a run: it goes on to the same result, and nothing that was done is done once more."""

import multiprocessing
import os
import shutil
import sys
from multiprocessing import forkserver

import pytest

from agents.workflows.killed import ANSWERS, Moments, carry_out, killed_at
from agents.workflows.rig import Shop, flow, task
from guru.store.database import Database

NOTE = {"parameters": {"text": "{{ $.text ?? 'n' }}"}, "result_path": "$.noted"}
FLOWS = {
    "chain": flow(
        a=task("note", "b", **NOTE),
        b=task("charge", "c", parameters={"text": "b"}, result_path="$.paid"),
        c=task("note", **NOTE),
    ),
    "map": flow(
        a={"kind": "map", "items": "{{ input.items }}", "concurrency": 1, "start": "n", "result_path": "$.mapped",
           "steps": {"n": task("note", "c", parameters={"text": "{{ item }}"}),
                     "c": task("charge", parameters={"text": "{{ item }}"})}, "next": "b"},
        b=task("note", **NOTE),
    ),
    "parallel": flow(
        a={"kind": "parallel", "end": True, "concurrency": 1, "branches": [
            {"start": "x", "steps": {"x": task("charge", parameters={"text": "x"})}},
            {"start": "y", "steps": {"y": {"kind": "wait", "seconds": 0.01, "next": "z"}, "z": task("note", **NOTE)}},
        ]},
    ),
    "retry": flow(
        a=task("flaky", "b", parameters={"name": "x"}, retry=[{"errors": ["States.ALL"], "interval": 0.01}]),
        b={"kind": "fail", "error": "Late", "cause": "{{ steps.a.output }}"},
    ),
    "people": flow(
        a={"kind": "human", "title": "Go?", "decisions": ["go"], "result_path": None, "next": "b"},
        b=task("wire", "c", parameters={"text": "{{ $.text }}"}, result_path=None),
        c={"kind": "choice", "choices": [{"variable": "$.text", "string_equals": "t", "next": "d"}], "default": "a"},
        d=task("note", **NOTE),
    ),
    "agent": flow(
        a={"kind": "task", "agent": "helper", "prompt": "Pay {{ $.text }}.", "next": "b",
           "result_selector": {"text": "{{ $.text }}"}},
        b=task("note", **NOTE),
    ),
    "caught": flow(
        a={"kind": "parallel", "next": "c", "catch": [{"errors": ["Bad"], "next": "b"}], "branches": [
            {"start": "f", "steps": {"f": {"kind": "fail", "error": "Bad"}}},
        ]},
        b=task("charge", "c", parameters={"text": "sorry"}),
        c=task("note", parameters={"text": "end"}),
    ),
}  # fmt: skip
GIVEN = {"text": "t", "items": ["p", "q"]}


@pytest.fixture(scope="module")
def children():
    """Makes processes that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agents.workflows.killed"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context


async def begin(url, definition):
    """A run that nobody carries out yet."""
    database = Database(url)
    await database.open()
    run = await Shop(database).begin(definition, GIVEN)
    await database.close()
    return run


def told(run, effects):
    """What must be the same however often the process died: `at` is when a person answered."""
    charges = sorted(effect for effect in effects if effect[0] in ("charge", "wire", "pay"))
    return run.status, run.output, run.error, run.cause, charges, sorted(set(effects))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
async def test_a_run_that_is_killed_anywhere_comes_to_the_same(name, tmp_path, children):
    template = tmp_path / "template.db"
    run = await begin(f"sqlite:///{template}", FLOWS[name])
    moments = Moments()

    async def finish(folder, moment):
        url, effects = f"sqlite:///{folder / 'guru.db'}", folder / "effects"
        ended = await carry_out(url, effects, "t", run.id, moment, ANSWERS)
        lines = [tuple(line.split("\t")) for line in effects.read_text("utf-8").splitlines()]
        return told(
            ended, [(tool, call.rpartition(":")[0] if tool == "charge" else call, text) for tool, call, text in lines]
        )

    def fresh(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(template, folder / "guru.db")
        return folder

    expected = await finish(fresh(0), moments)
    assert moments.count > 6
    for end in range(1, moments.count + 1):
        folder = fresh(end)
        arguments = (f"sqlite:///{folder / 'guru.db'}", folder / "effects", "t", run.id, end, list(ANSWERS))
        child = children.Process(target=killed_at, args=arguments)
        child.start()
        child.join()
        assert child.exitcode == -9
        assert (end, await finish(folder, Moments())) == (end, expected)
