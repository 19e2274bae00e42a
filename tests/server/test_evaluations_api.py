"""Questions of one's own: searched, answered, made, and settings tried on them, through the door and as jobs."""

import asyncio
import json

import pytest

from guru.errors import ModelError, ModelUnavailable
from guru.types import Completed, Delta, Finished, Usage
from scripted import TestModels, parse_events, run_server, say
from server.test_documents_api import ingest

NOTES = {
    "sea.md": b"# The sea\n\nThe harbour opens at seven in the morning.\n\n# Fares\n\nThe ferry costs nine francs.\n",
    "hills.txt": b"The hut on the hill has twelve beds. Dogs of the guests sleep outside in the shed.\n",
    "tea.md": b"# Tea\n\nMost of the green tea of the region is grown in Assam, and it is picked by hand.\n",
}
QUESTIONS = [
    {"id": "fare", "question": "What does the ferry cost?", "document": "sea.md", "answers": ["nine francs"]},
    {"question": "How many beds has the hut?", "document": "hills.txt", "answers": ["twelve beds"]},
    {"question": "Where is tea grown?", "answers": ["Assam"]},
    {"question": "Who owns the moon?", "impossible": True},
]


async def finish(server, kind, body):
    """Run an evaluation to its end: the job as it ended, and the evaluation."""
    status, begun = await server.post(f"/api/v1/evaluations/{kind}", body)
    assert status == 202, begun
    return await ended(server, begun)


async def ended(server, begun):
    async with server.session.get(f"{server.url}/api/v1/jobs/{begun['job']['id']}/events") as response:
        events = parse_events(await response.text())
    status, found = await server.get(f"/api/v1/evaluations/{begun['evaluation']}")
    assert status == 200
    return events[-1][1], found


async def measured(server, **options):
    body = {"collection": "notes", "questions": QUESTIONS} | options
    job, evaluation = await finish(server, "retrieval", body)
    assert job["status"] == "done", job
    return evaluation["report"]


async def test_search_is_measured_on_the_questions(server):
    await ingest(server, NOTES)
    job, evaluation = await finish(server, "retrieval", {"collection": "notes", "questions": QUESTIONS, "k": 3})
    report = evaluation["report"]
    assert (job["collection"], job["progress"]["done"], job["result"]) == ("notes", 4, {"evaluation": evaluation["id"]})
    assert (report["questions"], report["impossible"], report["answers"]) == (4, 1, None)
    assert report["metrics"]["recall@3"]["mean"] == 1.0
    assert report["metrics"]["recall@3"]["n"] == 3
    assert report["metrics"]["precision@3"]["mean"] == pytest.approx(1 / 3)
    assert 0 < report["latency"]["p50"] <= report["latency"]["p99"]
    first, *_, last = report["results"]
    assert (first["id"], last["metrics"]) == ("fare", None)
    right = [hit for hit in first["hits"] if hit["met"]]
    assert [(hit["document"], "nine francs" in hit["text"]) for hit in right] == [("sea.md", True)]
    assert first["metrics"]["mrr@3"] == 1 / right[0]["rank"]


async def test_a_right_answer_that_is_not_found_counts_as_missed_and_is_named(server):
    await ingest(server, NOTES)
    wrong = [{"question": "What does the ferry cost?", "document": "see.md"}]
    report = await measured(server, questions=wrong)
    assert report["metrics"]["hit_rate@10"]["mean"] == 0
    assert "Did you mean 'sea.md'?" in report["warnings"][0]["warning"]


async def test_answers_are_measured_without_a_judge_and_the_report_says_so(server):
    await ingest(server, NOTES)
    server.model.script = say("The ferry costs nine francs [1].")
    report = await measured(server, questions=[QUESTIONS[0], QUESTIONS[3]], answers=True)
    answers = report["answers"]
    assert all(text.startswith("local:") for text in answers["measured_by"].values())
    values = {name: value["mean"] for name, value in answers["metrics"].items()}
    assert (values["faithfulness"], values["contains_answer"], values["verbatim"]) == (1, 1, 1)
    assert (values["declined"], values["wrongly_declined"]) == (1, 0)
    assert values["context_recall"] == 1
    assert 0 < values["answer_relevance"] <= 1
    assert answers["outcomes"]["declined"] == 1
    assert report["results"][0]["answer"]["trace_id"].startswith("tr_")
    _, trace = await server.get(f"/api/v1/traces/{report['results'][0]['answer']['trace_id']}")
    assert trace["spans"][0]["name"] == "evaluations.retrieval"


class Judging:
    """Answers, and judges when it is asked to."""

    name = "test/judge"
    context_length = 8000

    def __init__(self):
        self.asked = []

    async def chat(self, request):
        prompt = request.messages[-1].text
        self.asked.append(prompt)
        reply = "The ferry costs nine francs [1]."
        if "Shape:" in prompt:
            shape = prompt.rpartition("Shape: ")[2]
            if "verdicts" in shape:
                count = prompt.count(" number=")
                useful = "useful in arriving" in prompt
                passages = prompt.count("<passage ")
                verdicts = ["nine francs" in part for part in prompt.split("<passage ")[1:]]
                reply = json.dumps({"verdicts": verdicts if useful else [True, False][: count - passages]})
            elif "statements" in shape:
                reply = '{"statements": ["The ferry costs nine francs.", "It is red."]}'
            else:
                reply = '{"questions": ["What does the ferry cost?"], "noncommittal": false}'
        yield Delta(text=reply)
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage())


async def test_a_judge_measures_as_ragas_defines_it(tmp_path):
    models = TestModels()
    models.model = Judging()
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        report = await measured(server, questions=QUESTIONS[:1], answers=True, judge="default", threshold=0.05)
        answers = report["answers"]
        assert all(text.startswith("judged by default:") for text in answers["measured_by"].values())
        values = {name: value["mean"] for name, value in answers["metrics"].items()}
        assert (values["faithfulness"], values["context_recall"]) == (0.5, 0.5)
        assert values["answer_relevance"] == pytest.approx(1, abs=1e-3)
        rank = next(hit["rank"] for hit in report["results"][0]["hits"] if hit["met"])
        assert values["context_precision"] == pytest.approx(1 / rank)
        assert answers["problems"] == []


async def test_a_judge_that_cannot_be_read_is_named_and_spoils_nothing_else(server):
    await ingest(server, NOTES)
    server.model.script = say("The ferry costs nine francs [1].")
    report = await measured(server, questions=QUESTIONS[:1], answers=True, judge="default", threshold=0.05)
    answers = report["answers"]
    assert "faithfulness" not in answers["metrics"]
    assert answers["metrics"]["contains_answer"]["mean"] == 1
    assert ["shape that was asked for" in item["problem"] for item in answers["problems"]] == [True, True]


async def test_one_bad_question_does_not_spoil_the_others(server):
    await ingest(server, NOTES)
    server.model.script = [ModelError("It broke.")]
    report = await measured(server, answers=True, threshold=0.05)
    failed = report["answers"]["failed"]
    assert {"It broke." in item["error"] for item in failed} == {True}
    assert report["metrics"]["recall@10"]["mean"] == 1


async def test_what_would_fail_for_every_question_ends_the_job(server):
    await ingest(server, NOTES)
    body = {"collection": "notes", "questions": QUESTIONS, "answers": True, "model": "none", "threshold": 0.0}
    job, evaluation = await finish(server, "retrieval", body)
    assert (job["status"], evaluation["report"]) == ("failed", None)
    assert "no model" in job["error"]


class Away:
    """A model that is not there the first times it is asked."""

    name = "test/away"
    context_length = 8000

    def __init__(self, times):
        self.times = times

    async def chat(self, request):
        self.times -= 1
        if self.times >= 0:
            raise ModelUnavailable("Loading.")
        for event in say("The ferry costs nine francs [1]."):
            yield event


async def test_a_model_that_is_away_for_a_moment_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.evaluate.work.WAITS", (0.01,) * 4)
    models = TestModels()
    models.model = Away(times=4)
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        report = await measured(server, questions=QUESTIONS[:1], answers=True, threshold=0.05)
        assert report["answers"]["failed"] == []
        assert models.model.times < 0


class Slow(Away):
    """Answers the first `quick` questions at once, and the others never."""

    def __init__(self, quick):
        self.quick, self.asked = quick, 0
        self.stuck = asyncio.Event()

    async def chat(self, request):
        self.asked += 1
        if self.asked > self.quick:
            self.stuck.set()
            await asyncio.Event().wait()
        for event in say("The ferry costs nine francs [1]."):
            yield event


async def test_an_evaluation_goes_on_where_it_was_and_asks_nothing_twice(tmp_path):
    questions = [QUESTIONS[0] | {"id": str(number)} for number in range(6)]
    body = {"collection": "notes", "questions": questions, "answers": True, "threshold": 0.05, "at_once": 1}
    models = TestModels()
    models.model = Slow(quick=4)
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        _, begun = await server.post("/api/v1/evaluations/retrieval", body)
        await models.model.stuck.wait()
    models.model = Slow(quick=100)
    async with run_server(tmp_path / "home", models=models) as server:
        job, evaluation = await ended(server, begun)
        assert job["status"] == "done"
        assert models.model.asked == 2
        assert evaluation["report"]["answers"]["metrics"]["contains_answer"]["n"] == 6


async def test_a_cancelled_evaluation_has_no_report_and_can_be_removed(tmp_path):
    models = TestModels()
    models.model = Slow(quick=0)
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        body = {"collection": "notes", "questions": QUESTIONS, "answers": True, "threshold": 0.0}
        _, begun = await server.post("/api/v1/evaluations/retrieval", body)
        await models.model.stuck.wait()
        await server.post(f"/api/v1/jobs/{begun['job']['id']}/cancel")
        job, evaluation = await ended(server, begun)
        assert (job["status"], evaluation["report"], evaluation["finished_at"]) == ("cancelled", None, None)
        path = f"/api/v1/evaluations/{begun['evaluation']}"
        assert (await server.request("DELETE", path))[0] == 204
        assert [(await server.request(method, path))[0] for method in ("GET", "DELETE")] == [404, 404]


async def test_evaluations_are_listed_by_collection(server):
    await ingest(server, NOTES)
    await measured(server)
    _, found = await server.get("/api/v1/evaluations", params={"collection": "notes"})
    assert [(item["kind"], item["options"]["k"]) for item in found["evaluations"]] == [("retrieval", 10)]
    assert "report" not in found["evaluations"][0]
    assert (await server.get("/api/v1/evaluations", params={"collection": "other"}))[1] == {"evaluations": []}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [{"question": "x"}]}, "questions"),
        ({"questions": [{"question": "x", "document": "y", "start": 5}]}, "questions"),
        ({"k": 0}, "k"),
        ({"mode": "best"}, "mode"),
        ({"collection": "nothing"}, "collection"),
    ],
)
async def test_a_wrong_request_is_refused_before_a_job_is_made(server, change, param):
    await ingest(server, NOTES)
    body = {"collection": "notes", "questions": QUESTIONS} | change
    status, answer = await server.post("/api/v1/evaluations/retrieval", body)
    assert (status, answer["error"]["param"]) == (404 if param == "collection" else 400, param)
    assert (await server.get("/api/v1/evaluations"))[1] == {"evaluations": []}


# --------------------------------------------------------------------------- questions made


async def test_questions_are_made_without_a_model_and_find_their_places(server):
    await ingest(server, NOTES)
    job, evaluation = await finish(server, "questions", {"collection": "notes", "count": 4})
    report = evaluation["report"]
    assert job["status"] == "done"
    assert {question["metadata"]["made_by"] for question in report["questions"]} == {"cloze", "heading"}
    assert "harder" in report["note"]
    assert len({question["document"] for question in report["questions"]}) > 1
    measured_again = await measured(server, questions=report["questions"])
    assert measured_again["warnings"] == []
    assert measured_again["metrics"]["hit_rate@3"]["mean"] == 1
    _, again = await finish(server, "questions", {"collection": "notes", "count": 4})
    assert again["report"]["questions"] == report["questions"]


async def test_a_sentence_that_stands_twice_is_not_asked_about(server):
    twice = {"a.txt": NOTES["tea.md"][7:], "b.txt": NOTES["tea.md"][7:]}
    await ingest(server, twice)
    _, evaluation = await finish(server, "questions", {"collection": "notes", "count": 2})
    assert evaluation["report"]["questions"] == []
    assert evaluation["report"]["rejected"] == {"a sentence that stands in several places": 2}


class Writing(Away):
    """Writes a question about each passage; about tea a wrong one."""

    def __init__(self):
        self.asked = 0

    async def chat(self, request):
        self.asked += 1
        prompt = request.messages[-1].text
        if "Write one question" in prompt:
            tea = "Assam" in prompt
            quote = "Tea is blue." if tea else prompt.partition("\n")[2].partition(".")[0] + "."
            written = {"question": f"What is told in note number {self.asked}?", "quote": quote, "answer": quote[4:-1]}
            reply = json.dumps(written)
        else:
            reply = json.dumps({"answer": prompt.partition("\n")[2].partition(".")[0][4:]})
        yield Delta(text=reply)
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage())


async def test_questions_that_a_model_writes_are_kept_when_they_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.evaluate.written.SHORTEST", 40)
    models = TestModels()
    models.model = Writing()
    async with run_server(tmp_path / "home", models=models) as server:
        files = {"hut.txt": NOTES["hills.txt"], "tea.txt": NOTES["tea.md"][7:]}
        await ingest(server, files)
        _, evaluation = await finish(server, "questions", {"collection": "notes", "count": 2, "model": "default"})
        report = evaluation["report"]
        (question,) = report["questions"]
        assert (question["document"], question["metadata"]) == ("hut.txt", {"made_by": "default"})
        (answer,) = question["answers"]
        assert files["hut.txt"].decode()[answer["start"] : answer["end"]] == answer["text"]
        assert report["rejected"] == {"a quote that does not stand in the passage": 1}
        assert report["note"] is None


# --------------------------------------------------------------------------- settings tried


async def test_settings_are_tried_and_too_few_questions_change_nothing(server):
    await ingest(server, NOTES)
    body = {"collection": "notes", "questions": QUESTIONS, "ks": [1, 3], "modes": ["hybrid", "sparse"]}
    body["fusions"] = ["learned"]
    job, evaluation = await finish(server, "tune", body)
    assert job["status"] == "done", job
    report = evaluation["report"]
    assert [(item["mode"], item["k"]) for item in report["settings"]] == [
        ("hybrid", 1), ("hybrid", 3), ("hybrid", 6), ("sparse", 1), ("sparse", 3), ("sparse", 6),
    ]  # fmt: skip
    assert [item["k"] for item in report["settings"] if item["current"]] == [6]
    assert report["questions"] == 3
    assert (report["recommendation"]["change"], report["recommendation"]["setting"]["k"]) == (False, 6)
    assert "too few" in report["recommendation"]["reason"]
    async with server.session.get(f"{server.url}/api/v1/evaluations/{evaluation['id']}/report") as response:
        assert response.content_type == "text/html"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "Keep hybrid, 6 passages" in await response.text()


async def test_enough_questions_prove_a_cheaper_setting(server):
    await ingest(server, NOTES)
    body = {"collection": "notes", "questions": QUESTIONS[:2] * 60, "ks": [1], "modes": ["hybrid"], "margin": 0.05}
    _, evaluation = await finish(server, "tune", body)
    chosen = evaluation["report"]["recommendation"]
    assert (chosen["change"], chosen["setting"]["k"]) == (True, 1)
    assert "less to read" in chosen["reason"]


async def test_other_sizes_of_chunks_are_tried_on_a_copy_that_is_removed(server):
    long = b"\n\n".join(b"Part %d of the harbour was built in %d. " % (n, 1900 + n) * 8 for n in range(12))
    await ingest(server, NOTES | {"long.txt": long})
    asked = [
        {"question": f"When was part {n} built?", "document": "long.txt", "answers": [f"{1900 + n}"]} for n in (3, 7)
    ]
    body = {"collection": "notes", "questions": asked, "ks": [2], "modes": ["sparse"], "chunk_tokens": [40]}
    job, evaluation = await finish(server, "tune", body)
    assert job["status"] == "done", job
    by_size = {item["chunk_tokens"]: item for item in evaluation["report"]["settings"] if item["k"] == 2}
    assert by_size[40]["characters"] < by_size[200]["characters"]
    _, collections = await server.get("/api/v1/collections")
    assert [item["name"] for item in collections["collections"]] == ["notes"]


async def test_chunks_that_the_embedding_model_cannot_read_are_refused(server):
    await ingest(server, NOTES)
    body = {"collection": "notes", "questions": QUESTIONS, "chunk_tokens": [5000]}
    job, _ = await finish(server, "tune", body)
    assert (job["status"], "sizes up to 254" in job["error"]) == ("failed", True)
    assert len((await server.get("/api/v1/collections"))[1]["collections"]) == 1


async def test_only_a_tuning_that_has_ended_has_a_page(server):
    await ingest(server, NOTES)
    await measured(server)
    _, found = await server.get("/api/v1/evaluations")
    status, answer = await server.get(f"/api/v1/evaluations/{found['evaluations'][0]['id']}/report")
    assert (status, "no page" in answer["error"]["message"]) == (400, True)
