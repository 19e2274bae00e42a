"""`kill -9` in the middle of an evaluation: the next server goes on, and the report is as if nothing had been."""

import json
import time

import pytest

from guru.samples import DOCUMENTS, QUESTIONS
from running import run, serving

ASKED = json.loads(QUESTIONS.read_text())


@pytest.fixture
def killed(home, runs, chance, assert_sound, watched_kill):
    """Begins an evaluation of a kind and kills it at any moment, `most` times. Gives the server that took it up, and
    what is `seen` of its report, which is that of an evaluation that nobody killed."""

    def killed(kind, body, seen, most):
        run(home, "ingest", DOCUMENTS, "-c", "handbook")
        with serving(home) as server:
            began = time.monotonic()
            reference = seen(finish(server, server.post(f"/api/v1/evaluations/{kind}", body)))
            whole = time.monotonic() - began
        for _ in range(min(runs, most)):
            with serving(home) as server:
                begun = server.post(f"/api/v1/evaluations/{kind}", body)
                time.sleep(chance.uniform(0.0, whole))
                watched_kill(server.process, group=True)
            assert_sound(home)
            with serving(home) as server:
                assert seen(finish(server, begun)) == reference
                yield server, reference
            assert_sound(home)

    return killed


@pytest.mark.slow
def test_a_killed_evaluation_ends_with_the_report_it_would_have_had(killed):
    body = {"collection": "handbook", "questions": asked(40)}
    assert list(killed("retrieval", body, told, most=4))


@pytest.mark.slow
def test_a_killed_tuning_ends_with_what_it_would_have_found_and_leaves_no_copy(killed):
    body = {
        "collection": "handbook", "questions": asked(1), "ks": [1], "modes": ["hybrid"], "fusions": ["learned"],
        "reranks": ["rerank"], "rerank_tops": [3], "chunkings": ["heading"],
    }  # fmt: skip
    for server, reference in killed("tune", body, found, most=1):
        assert len(reference) == 8
        assert [item["name"] for item in server.get("/api/v1/collections")["collections"]] == ["handbook"]


def asked(times):
    """The questions of the sample documents, so many times."""
    return [
        {"id": str(number), "question": item["question"]}
        | ({"document": item["document"], "answers": [item["answer"]]} if item["answer"] else {"impossible": True})
        for number in range(times)
        for item in ASKED
    ]


def found(report):
    """The measures of every setting. Which is best is also a matter of times."""
    return {item["name"]: (item["metrics"], item["gain"], item["failed"]) for item in report["settings"]}


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
