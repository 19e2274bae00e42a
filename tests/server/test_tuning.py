"""Settings of search tried on questions: with models that reorder, ways to cut, and what the configuration says."""

import asyncio

import pytest

from guru.config import KnowledgeSettings, Settings
from guru.models.local.reranker import LocalReranker
from scripted import TestModels, run_server
from server.test_documents_api import ingest
from server.test_evaluations_api import NOTES, QUESTIONS, ended, finish

LONG = b"\n\n".join(
    b"## Part %d\n\nPart %d of the harbour was built in %d. " % (n, n, 1900 + n) + b"It is of stone. " * 9
    for n in range(9)
)
ASKED = [{"question": f"When was part {n} built?", "document": "long.md", "answers": [f"{1900 + n}"]} for n in (3, 7)]


class Reranking(TestModels):
    """Has rerankers `rerank` and `other/rerank`, which count what they are asked and fail when they are told to."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.fails = lambda query: False
        self.stuck_after, self.stuck = None, asyncio.Event()

    def reranker(self, name):
        if name not in ("rerank", "other/rerank"):
            return self.no_model(name)
        local = LocalReranker(self.words)
        plain = local.rerank

        async def rerank(request):
            if self.stuck_after is not None and len(self.asked) >= self.stuck_after:
                self.stuck.set()
                await asyncio.Event().wait()
            self.asked.append((name, request.query, len(request.documents)))
            ranking = await plain(request)
            if self.fails(request.query):  # no error, after which the road would not ask again for a while
                ranking.results[0].index = 99
            return ranking

        local.rerank = rerank
        return local


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """What has failed is asked again once, and at once."""
    monkeypatch.setattr("guru.evaluate.tuning.WAITS", (0.0,))


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home", models=Reranking()) as running:
        await ingest(running, NOTES)
        yield running


def body(**options):
    usual = {"collection": "notes", "questions": QUESTIONS[:3], "ks": [1, 3], "modes": ["hybrid"]}
    return usual | {"fusions": ["learned"]} | options


async def tuned(server, **options):
    job, evaluation = await finish(server, "tune", body(**options))
    assert job["status"] == "done", job
    return evaluation["report"]


def by_name(report):
    return {item["name"]: item for item in report["settings"]}


async def collections(server):
    return [item["name"] for item in (await server.get("/api/v1/collections"))[1]["collections"]]


async def test_fusions_are_tried_in_hybrid_search_alone(server):
    report = await tuned(
        server, ks=[6], modes=["hybrid", "sparse"], fusions=["learned", "rrf", "weighted"], dense_weights=[0.3]
    )
    assert list(by_name(report)) == [
        "hybrid, 6 x 200", "hybrid, 6 x 200, rrf 0.3", "hybrid, 6 x 200, weighted 0.3", "sparse, 6 x 200",
    ]  # fmt: skip
    assert all(item["metrics"]["recall"]["mean"] == 1 for item in report["settings"])


async def test_one_request_to_a_reranker_serves_every_number_of_passages_and_is_on_the_road(server):
    report = await tuned(server, reranks=["rerank"])
    found = by_name(report)
    assert len(found) == 6
    assert len(server.models.asked) == 1 + 3  # to wake it, and one for each question
    several = [found[f"hybrid, {k} x 200, rerank 30"] for k in (1, 3, 6)]
    assert len({str(item["latency"]) for item in several}) == 1
    assert several[0]["characters"] < several[1]["characters"]
    assert all(item["failed"] == 0 and item["metrics"]["recall"]["n"] == 3 for item in several)
    _, listed = await server.get("/api/v1/traces?limit=50")
    assert [trace["route"] for trace in listed["traces"]] == ["evaluations.tune"] * 4


async def test_what_a_reranked_search_finds_is_what_fewer_passages_would_have_found(server):
    await tuned(server, ks=[2], reranks=["rerank"])
    for question in QUESTIONS[:3]:
        found = {}
        for k in (2, 6):
            search = {"query": question["question"], "k": k, "rerank": "rerank"}
            found[k] = (await server.post("/api/v1/collections/notes/search", search))[1]["results"]
        assert found[2] == found[6][:2]


async def test_each_reranker_reads_as_much_as_it_is_told_to(server):
    await tuned(server, ks=[1], reranks=["rerank", "other/rerank"], rerank_tops=[1, 2])
    read = {(name, count) for name, _, count in server.models.asked}
    assert read == {("rerank", 1), ("rerank", 2), ("other/rerank", 1), ("other/rerank", 2)}


async def test_a_reranker_that_fails_is_named_and_never_recommended(server):
    server.models.fails = lambda query: "ferry" in query
    questions = QUESTIONS[:2] * 15
    report = await tuned(server, questions=questions, ks=[1], reranks=["rerank"], margin=0.5)
    broken = [item for item in report["settings"] if item["rerank"] == "rerank"]
    for item in broken:
        assert (item["failed"], item["metrics"]["recall"]["n"], item["gain"], item["on_front"]) == (15, 15, None, False)
        assert "answered with places that it was not given" in item["problem"]
    assert report["recommendation"]["setting"]["rerank"] == "off"
    _, found = await server.get("/api/v1/evaluations")
    async with server.session.get(
        f"{server.url}/api/v1/evaluations/{found['evaluations'][0]['id']}/report"
    ) as response:
        assert "failed for 15 of 30 questions" in await response.text()


async def test_a_reranker_that_only_fails_is_not_asked_for_ever(server):
    server.models.fails = lambda query: True
    report = await tuned(server, questions=QUESTIONS[:2] * 6, ks=[1], reranks=["rerank"])
    (item,) = [item for item in report["settings"] if item["rerank"] == "rerank" and item["k"] == 1]
    assert (item["failed"], item["metrics"], item["latency"]) == (12, None, None)
    assert len(server.models.asked) == 2 * (1 + 5)  # to wake it, and five questions, and each of them again
    assert report["recommendation"]["change"] is False


async def test_a_reranker_that_there_is_not_ends_the_job_before_anything_is_copied(server):
    job, evaluation = await finish(server, "tune", body(reranks=["nothing"], chunkings=["heading"]))
    assert (job["status"], evaluation["report"]) == ("failed", None)
    assert "nothing" in job["error"]
    assert await collections(server) == ["notes"]


async def test_the_current_setting_is_the_configured_one(tmp_path):
    settings = Settings()
    settings.knowledge = KnowledgeSettings(
        mode="hybrid", passages=2, fusion="rrf", dense_weight=0.7, sparse_weight=0.3, rerank="rerank", rerank_top=4
    )
    async with run_server(tmp_path / "home", settings, Reranking()) as server:
        await server.post("/api/v1/collections", {"name": "notes", "chunking": "heading", "chunk_tokens": 60})
        await ingest(server, NOTES | {"long.md": LONG})
        report = await tuned(server, ks=[1])
        (current,) = [item for item in report["settings"] if item["current"]]
        assert current["name"] == "hybrid, 2 x 60, heading, rrf 0.7, rerank 4"
        assert report["own"] == ["chunk_tokens", "chunking"]
        assert {count for _, _, count in server.models.asked} == {4}
        server.models.fails = lambda query: True
        report = await tuned(server, ks=[1])
        assert "The current setting failed for 3 of 3 questions" in report["recommendation"]["reason"]


async def test_other_ways_to_cut_are_tried_on_copies_that_are_removed(server):
    await ingest(server, {"long.md": LONG})
    found = by_name(
        await tuned(
            server,
            questions=ASKED,
            ks=[2],
            modes=["sparse"],
            chunk_tokens=[40],
            chunkings=["heading", "hierarchical"],
        )
    )
    assert len(found) == 2 * 2 * 3 + 2  # and the current way to search, which is hybrid
    parents, children = found["sparse, 2 x 40, hierarchical"], found["sparse, 2 x 40"]
    assert (parents["parent_tokens"], parents["chunk_overlap"]) == (800, 8)
    assert parents["characters"] > 2 * children["characters"]  # what is read is the parent
    assert await collections(server) == ["notes"]


async def test_too_many_settings_are_refused_before_a_job_is_made(server):
    status, answer = await server.post(
        "/api/v1/evaluations/tune",
        body(modes=["hybrid", "dense", "sparse"], fusions=["learned", "rrf", "weighted"], ks=[1, 2, 3, 4, 5],
             dense_weights=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], reranks=["a", "b"]),
    )  # fmt: skip
    assert (status, answer["error"]["param"]) == (400, "modes")
    assert "21 ways to search x 3 rerankings x 6 numbers of passages" in answer["error"]["message"]
    assert (await server.get("/api/v1/evaluations"))[1] == {"evaluations": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"fusions": ["best"]}, {"fusions": []}, {"dense_weights": [2]}, {"reranks": [""]}, {"rerank_tops": [0]},
        {"chunkings": ["x"]},
    ],
)  # fmt: skip
async def test_a_wrong_option_is_refused_by_its_name(server, wrong):
    status, answer = await server.post("/api/v1/evaluations/tune", body(**wrong))
    assert (status, answer["error"]["param"].partition("[")[0]) == (400, next(iter(wrong)))


async def test_a_tuning_goes_on_where_it_was_and_asks_nothing_twice(tmp_path):
    questions = [QUESTIONS[0] | {"id": str(number)} for number in range(6)]
    models = Reranking()
    models.stuck_after = 5  # one to wake it, and four questions
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        _, begun = await server.post("/api/v1/evaluations/tune", body(questions=questions, reranks=["rerank"]))
        await models.stuck.wait()
    models = Reranking()
    async with run_server(tmp_path / "home", models=models) as server:
        job, evaluation = await ended(server, begun)
        assert job["status"] == "done", job
        assert len(models.asked) == 1 + 2
        assert {item["metrics"]["recall"]["n"] for item in evaluation["report"]["settings"]} == {6}


async def test_a_cancelled_tuning_leaves_no_copy(tmp_path):
    models = Reranking()
    models.stuck_after = 3  # two wake it, in the collection and in its copy
    async with run_server(tmp_path / "home", models=models) as server:
        await ingest(server, NOTES)
        _, begun = await server.post("/api/v1/evaluations/tune", body(reranks=["rerank"], chunkings=["heading"]))
        await models.stuck.wait()
        assert len(await collections(server)) == 2
        await server.post(f"/api/v1/jobs/{begun['job']['id']}/cancel")
        job, evaluation = await ended(server, begun)
        assert (job["status"], evaluation["report"]) == ("cancelled", None)
        assert await collections(server) == ["notes"]


async def test_copies_that_a_killed_and_cancelled_tuning_left_are_removed_by_the_next(server):
    _, evaluation = await finish(server, "tune", body(ks=[1]))
    left = f"{evaluation['id'].replace('_', '-')}-heading-200"
    for name in (left, "eval-notes-of-mine"):
        assert (await server.post("/api/v1/collections", {"name": name}))[0] == 201
    await tuned(server, ks=[1])
    assert await collections(server) == ["eval-notes-of-mine", "notes"]


async def test_retrieval_is_measured_as_searches_are_configured(tmp_path):
    settings = Settings()
    settings.knowledge = KnowledgeSettings(mode="sparse", rerank="rerank")
    models = Reranking()
    async with run_server(tmp_path / "home", settings, models) as server:
        await ingest(server, NOTES)
        asked = {"collection": "notes", "questions": QUESTIONS[:3]}
        _, evaluation = await finish(server, "retrieval", asked)
        assert (evaluation["report"]["options"]["mode"], len(models.asked)) == ("sparse", 1 + 3)
        assert evaluation["report"]["warnings"] == []
        models.fails = lambda query: "ferry" in query
        _, evaluation = await finish(server, "retrieval", asked)
        assert ["places that it was not given" in item["warning"] for item in evaluation["report"]["warnings"]] == [
            True
        ]
