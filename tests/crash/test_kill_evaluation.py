"""`kill -9` in the middle of an evaluation: the next server goes on, and the report is as if nothing had been."""

import json
import time

import pytest

from guru.samples import DOCUMENTS, QUESTIONS
from running import run, serving

ASKED = json.loads(QUESTIONS.read_text())


@pytest.mark.slow
def test_a_killed_evaluation_ends_with_the_report_it_would_have_had(home, runs, chance, assert_sound, watched_kill):
    asked = [
        {"id": str(number), "question": item["question"]}
        | ({"document": item["document"], "answers": [item["answer"]]} if item["answer"] else {"impossible": True})
        for number in range(40)
        for item in ASKED
    ]
    body = {"collection": "handbook", "questions": asked}
    run(home, "ingest", DOCUMENTS, "-c", "handbook")
    with serving(home) as server:
        began = time.monotonic()
        reference = told(finish(server, server.post("/api/v1/evaluations/retrieval", body)))
        whole = time.monotonic() - began
    for _ in range(min(runs, 4)):
        with serving(home) as server:
            begun = server.post("/api/v1/evaluations/retrieval", body)
            time.sleep(chance.uniform(0.0, whole))
            watched_kill(server.process, group=True)
        assert_sound(home)
        with serving(home) as server:
            assert told(finish(server, begun)) == reference
        assert_sound(home)


def finish(server, begun):
    """The report of an evaluation that was begun, when it has ended."""
    end = time.monotonic() + 120
    while (job := server.get(f"/api/v1/jobs/{begun['job']['id']}"))["status"] in ("queued", "running"):
        assert time.monotonic() < end, job
        time.sleep(0.05)
    assert job["status"] == "done", job
    return server.get(f"/api/v1/evaluations/{begun['evaluation']}")["report"]


def told(report):
    """A report without its times."""
    results = [{name: value for name, value in row.items() if name != "seconds"} for row in report["results"]]
    return report | {"latency": None, "results": results}
