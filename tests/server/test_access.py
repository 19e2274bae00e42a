"""Every door to documents, for those whom an access list names and those whom it does not."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest

from guru import samples
from guru.config import ServerSettings, Settings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key, Team, User
from guru.server import app, chat_socket
from knowledge.parse.writing import package
from scripted import ScriptedModel, TestModels, parse_events, run_server, say

SECRET = "The merger with Halvorsen closes on the fourth of May."
PUBLIC = "The canteen opens at noon on every working day."
PEOPLE = {
    "boss": {"role": "admin"},
    "anna": {"user": "anna"},
    "lea": {"team": "legal"},
    "clerk": {},
    "ben": {"user": "ben", "team": "sales"},
    "eye": {"role": "viewer"},
}
SEES = {"boss", "anna", "lea", "clerk"}


class World:
    def __init__(self, server):
        self.server, self.secrets, self.keys = server, {}, {}

    async def open(self):
        services = self.server.services
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        for team in ("legal", "sales"):
            await services.changes.create_team(boss, Team(tenant="local", name=team))
        for user in ("anna", "ben"):
            await services.changes.create_user(boss, User(tenant="local", name=user))
        for person, values in PEOPLE.items():
            wanted = Key(id="", tenant="local", name=person, hash=b"", **values)
            self.keys[person], self.secrets[person] = await services.changes.create_key(boss, wanted)
        await self.upload("boss", {"canteen.txt": PUBLIC})
        access = f"user:anna,team:legal,key:{self.keys['clerk'].id}"
        await self.upload("boss", {"merger.txt": SECRET, "merger.pdf": pdf()}, access=access)
        listed = json.loads((await self.ask("boss", "GET", "/api/v1/collections/c/documents"))[1])["documents"]
        self.ids = {document["name"]: document["id"] for document in listed}
        assert set(self.ids) == {"canteen.txt", "merger.txt", "merger.pdf"}

    async def ask(self, person, method, path, **options):
        headers = {"authorization": f"Bearer {self.secrets[person]}"}
        async with self.server.session.request(method, self.server.url + path, headers=headers, **options) as answer:
            return answer.status, (await answer.read()).decode("utf-8", "replace")

    async def upload(self, person, files, **query):
        form = aiohttp.FormData(quote_fields=False)
        for name, content in files.items():
            form.add_field("files", content if isinstance(content, bytes) else content.encode(), filename=name)
        status, body = await self.ask(person, "POST", "/api/v1/collections/c/documents", data=form, params=query)
        assert status == 202, body
        job = json.loads(body)["job"]["id"]
        events = parse_events((await self.ask(person, "GET", f"/api/v1/jobs/{job}/events"))[1])
        return events[-1][1]


def pdf():
    """A page to show and to highlight."""
    return (Path(samples.__file__).parent / "documents" / "employee-handbook.pdf").read_bytes()


@pytest.fixture
async def world(tmp_path):
    models = TestModels()
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True)), models) as server:
        world = World(server)
        await world.open()
        yield world


# What each door to documents shows of one that has a list. `None`: nothing that could be of a single document.
QUESTION = "When does the merger with Halvorsen close?"
GROUNDED = {
    "model": "default", "messages": [{"role": "user", "content": QUESTION}], "guru": {"collection": "c"},
}  # fmt: skip
ANSWERS = {
    ("POST", "/api/v1/ask"): {"question": QUESTION, "collection": "c"},
    ("POST", "/api/v1/chat"): {"message": QUESTION, "collection": "c"},
    ("POST", "/v1/chat/completions"): GROUNDED,
    ("POST", "/v1/messages"): GROUNDED | {"max_tokens": 50},
    ("POST", "/v1/responses"): {"model": "default", "input": QUESTION, "guru": {"collection": "c"}},
    ("POST", "/api/chat"): GROUNDED | {"stream": False},
    ("POST", "/api/generate"): {"model": "default", "prompt": QUESTION, "guru": {"collection": "c"}, "stream": False},
}  # fmt: skip
READS = {
    ("GET", "/api/v1/documents/{document_id}"),
    ("GET", "/api/v1/documents/{document_id}/text"),
    ("GET", "/api/v1/documents/{document_id}/file"),
    ("GET", "/api/v1/documents/{document_id}/chunks"),
    ("GET", "/api/v1/documents/{document_id}/pages/{number:int}.png"),
    ("GET", "/api/v1/documents/{document_id}/highlight"),
    ("GET", "/api/v1/documents/{document_id}/similar"),
}
ELSEWHERE = {
    *((method, f"/api/v1/collections/{{name}}/{what}") for method in ("GET", "POST")
      for what in ("topics", "anomalies", "map")),
    ("POST", "/api/v1/collections/{name}/summary"), ("POST", "/api/v1/documents/{document_id}/summary"),
    ("GET", "/api/v1/collections/{name}/duplicates"), ("POST", "/api/v1/collections/{name}/reembed"),
    ("POST", "/api/v1/collections/{name}/transfer"),
    ("POST", "/api/v1/collections/{name}/rollback"), ("POST", "/api/v1/collections/{name}/forget-vectors"),
    ("GET", "/api/v1/collections"), ("POST", "/api/v1/collections"), ("GET", "/api/v1/collections/{name}"),
    ("PATCH", "/api/v1/collections/{name}"), ("DELETE", "/api/v1/collections/{name}"),
    ("POST", "/api/v1/collections/{name}/ingest"), ("POST", "/api/v1/chunk"),
    ("POST", "/api/v1/collections/{name}/search"), ("GET", "/api/v1/collections/{name}/documents"),
    ("POST", "/api/v1/collections/{name}/documents"), ("PATCH", "/api/v1/documents/{document_id}"),
    ("DELETE", "/api/v1/documents/{document_id}"),
    ("GET", "/api/v1/evaluations"), ("POST", "/api/v1/evaluations/retrieval"),
    ("POST", "/api/v1/evaluations/questions"), ("POST", "/api/v1/evaluations/tune"),
    ("GET", "/api/v1/evaluations/{evaluation_id}"), ("GET", "/api/v1/evaluations/{evaluation_id}/report"),
    ("DELETE", "/api/v1/evaluations/{evaluation_id}"), ("POST", "/api/v1/tools/{name}/call"),
}  # fmt: skip
"""Doors that the tests below try by name."""


def test_every_door_to_documents_is_tried_here():
    doors = {(door.method, door.path) for door in app.DOORS}
    assert doors >= READS | ELSEWHERE | ANSWERS.keys()
    assert {
        door for door in doors if re.search(r"/(collections|documents|chunk|evaluations)\b|/tools/{name}", door[1])
    } == READS | ELSEWHERE


async def test_a_document_is_read_by_whom_its_list_names(world):
    for person in PEOPLE:
        for method, path in READS:
            is_page = "pages" in path or "highlight" in path
            name = "merger.pdf" if is_page else "merger.txt"
            filled = path.replace("{document_id}", world.ids[name]).replace("{number:int}", "1")
            status, body = await world.ask(person, method, filled + ("?start=0&end=9" if "highlight" in path else ""))
            assert (path, person, status) == (path, person, 200 if person in SEES else 404)
            assert ("Halvorsen" in body) <= (person in SEES)


async def test_copies_and_similar_documents_are_shown_to_them_alone(world):
    await world.upload("boss", {"copy.txt": SECRET * 9, "original.txt": SECRET * 9}, access="user:anna")
    for person in PEOPLE:
        _, groups = await world.ask(person, "GET", "/api/v1/collections/c/duplicates")
        path = f"/api/v1/documents/{world.ids['canteen.txt']}/similar"
        status, similar = await world.ask(person, "GET", path)
        assert (person, status) == (person, 200)
        assert ("copy.txt" in groups, "merger" in similar) == (person in ("boss", "anna"), person in SEES)


async def test_it_is_cut_on_trial_by_them_alone(world):
    for person in PEOPLE:
        for name in ("merger.txt", "merger.pdf"):
            body = {"document_id": world.ids[name], "strategy": "sentence", "chunk_tokens": 20}
            status, cut = await world.ask(person, "POST", "/api/v1/chunk", json=body)
            assert (name, person, status) == (name, person, 200 if person in SEES else 404)
            assert ("fourth of May" in cut) == (name == "merger.txt" and person in SEES)


async def test_how_a_collection_is_cut_is_changed_without_a_word_of_it(world):
    for person in PEOPLE.keys() - {"eye"}:
        status, body = await world.ask(person, "PATCH", "/api/v1/collections/c", json={"chunking": "sentence"})
        assert (status, json.loads(body)["documents"]) == (200, 3 if person in SEES else 1)


async def test_members_of_an_archive_are_seen_by_whom_its_list_names(world):
    parts = {"merger.md": b"The merger with Halvorsen is near.", "plan.md": b"The plan is ready."}
    job = await world.upload("anna", {"papers.zip": package(parts)}, access="user:anna")
    assert (job["result"]["documents"], job["result"]["failed"]) == (2, [])
    for person in PEOPLE:
        _, listed = await world.ask(person, "GET", "/api/v1/collections/c/documents")
        assert ("papers.zip/plan.md" in listed) == (person in ("anna", "boss"))
    job = await world.upload("ben", {"papers.zip": package({"plan.md": b"There is no plan."})}, prune="true")
    assert (job["result"]["documents"], job["result"]["removed"], len(job["result"]["failed"])) == (0, 0, 1)
    _, listed = await world.ask("anna", "GET", "/api/v1/collections/c/documents")
    assert "papers.zip/merger.md" in listed and "papers.zip/plan.md" in listed


async def test_topics_maps_and_anomalies_are_made_of_what_one_may_see(world):
    for person in PEOPLE:
        for what in ("topics", "anomalies", "map"):
            path = f"/api/v1/collections/c/{what}"
            for status, found in (
                await world.ask(person, "GET", path),
                await world.ask(person, "POST", path, json={"filter": {"document": {"prefix": ""}}}),
            ):
                assert status == 200, found
                assert (what, person, "merger" in found.lower()) == (
                    what,
                    person,
                    person in SEES and what != "anomalies",
                )
                counted = json.loads(found).get("topics", {}) if what == "map" else json.loads(found)
                assert counted["count"] == (3 if person in SEES else 1)


async def test_a_summary_is_made_of_what_one_may_see_and_shown_to_nobody_else(world):
    for person in PEOPLE.keys() - {"eye"}:
        for method in ("extractive", "model"):
            world.server.model.requests.clear()
            world.server.model.script = say(SECRET)
            status, begun = await world.ask(
                person, "POST", "/api/v1/collections/c/summary", json={"method": method, "sentences": 9}
            )
            assert status == 202, begun
            job = json.loads(begun)["job"]["id"]
            await world.ask(person, "GET", f"/api/v1/jobs/{job}/events")
            ended = json.loads((await world.ask(person, "GET", f"/api/v1/jobs/{job}"))[1])
            assert ended["status"] == "done", ended
            summary = ended["result"]["summary"]
            assert summary["of"] == (3 if person in SEES else 1)
            assert ("fourth of May" in summary["text"]) == (person in SEES)
            assert "fourth of May" not in str(world.server.model.requests) or person in SEES
            others = PEOPLE.keys() - {person, "boss"}
            assert {(await world.ask(other, "GET", f"/api/v1/jobs/{job}"))[0] for other in others} == {404}
        path = f"/api/v1/documents/{world.ids['merger.txt']}/summary"
        status, begun = await world.ask(person, "POST", path, json={})
        assert status == (202 if person in SEES else 404)
        if status == 202:  # until it has ended, what it asks the model is not taken for the next person's
            await world.ask(person, "GET", f"/api/v1/jobs/{json.loads(begun)['job']['id']}/events")
    assert (await world.ask("eye", "POST", "/api/v1/collections/c/summary", json={}))[0] == 403


async def test_an_evaluation_which_everybody_reads_shows_it_to_nobody(world):
    """Not even when it is begun by those who see it: neither what is found nor what is answered, made or tried."""
    question = {"question": QUESTION, "answers": ["the fourth of May"]}
    measured = {"collection": "c", "questions": [question]}
    bodies = {
        "retrieval": measured | {"answers": True, "model": "default", "threshold": 0.0},
        "tune": measured | {"ks": [3]},
        "questions": {"collection": "c", "count": 3},
    }
    for person in ("boss", "anna"):
        for kind, body in bodies.items():
            world.server.model.requests.clear()
            world.server.model.script = say("It says nothing of that [1].")
            status, begun = await world.ask(person, "POST", f"/api/v1/evaluations/{kind}", json=body)
            assert status == 202, begun
            begun = json.loads(begun)
            await world.ask(person, "GET", f"/api/v1/jobs/{begun['job']['id']}/events")
            path = f"/api/v1/evaluations/{begun['evaluation']}"
            _, report = await world.ask("ben", "GET", path)
            assert json.loads(report)["finished_at"] is not None, report
            assert ("merger.txt" in report, SECRET in report) == (False, False)
            assert SECRET not in str(world.server.model.requests)
            if kind == "retrieval":
                assert json.loads(report)["report"]["answers"] is not None
            if kind == "tune":
                assert "merger.txt" not in (await world.ask("ben", "GET", f"{path}/report"))[1]
            assert path.rpartition("/")[2] in (await world.ask("ben", "GET", "/api/v1/evaluations"))[1]
            assert (await world.ask(person, "DELETE", path))[0] == 204


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_a_search_finds_it_for_them_alone(world, mode):
    body = {"query": QUESTION, "mode": mode, "explain": True}
    for person in PEOPLE:
        for more in ({}, {"filter": {"document": {"prefix": "merger"}}}):
            status, found = await world.ask(person, "POST", "/api/v1/collections/c/search", json=body | more)
            assert (status, "Halvorsen" in found) == (200, person in SEES)


async def test_a_tool_finds_it_for_them_alone(world):
    for person in PEOPLE:
        body = {"arguments": {"query": QUESTION, "results": 9}}
        status, found = await world.ask(person, "POST", "/api/v1/tools/search_documents/call", json=body)
        assert (person, status, "Halvorsen" in found) == (
            person,
            403 if person == "eye" else 200,
            person in SEES - {"eye"},
        )


async def test_it_is_listed_and_counted_for_them_alone(world):
    for person in PEOPLE:
        _, documents = await world.ask(person, "GET", "/api/v1/collections/c/documents")
        assert ("merger" in documents) == (person in SEES)
        shown = json.loads((await world.ask(person, "GET", "/api/v1/collections/c"))[1])
        (listed,) = json.loads((await world.ask(person, "GET", "/api/v1/collections"))[1])["collections"]
        vectors, cache = shown.pop("vectors"), shown.pop("cache")  # these count all documents
        assert (vectors is None, cache is None) == (person != "boss", person != "boss")
        assert shown == listed
        assert listed["documents"] == (3 if person in SEES else 1)
        assert (listed["bytes"] == len(PUBLIC)) == (person not in SEES)


async def test_models_are_changed_by_administrators_alone_and_their_jobs_count_for_them_alone(world):
    for person in PEOPLE:
        for action in ("reembed", "rollback", "forget-vectors"):
            status, body = await world.ask(person, "POST", f"/api/v1/collections/c/{action}", json={})
            allowed = {"reembed": 409, "rollback": 409, "forget-vectors": 202}[action]
            assert (action, person, status) == (action, person, allowed if person == "boss" else 403), body
    listed = json.loads((await world.ask("boss", "GET", "/api/v1/jobs"))[1])["jobs"]
    (forget,) = [job["id"] for job in listed if job["kind"] == "forget-vectors"]
    for person in PEOPLE:
        assert (await world.ask(person, "GET", f"/api/v1/jobs/{forget}"))[0] == (200 if person == "boss" else 404)


async def test_what_was_embedded_before_tells_nothing_of_hidden_documents(world):
    """The same words as in a document that one may not see are embedded anew, whoever the copy is said to be for."""
    for person, access, embedded in (
        ("ben", "user:ben", True),
        ("lea", "team:legal", True),
        ("ben", "team:legal", True),
    ):
        files = {f"probe-{person}-{len(access)}.txt": SECRET}
        result = (await world.upload(person, files, access=access))["result"]
        assert (person, access, result["embedded"] > 0, result["reused"]) == (person, access, embedded, 0)
    again = (await world.upload("lea", {"mine.txt": SECRET}, access="team:legal"))["result"]
    assert (again["embedded"], again["reused"] > 0) == (0, True)


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_and_their_citations_are_made_of_what_one_may_see(world, stream):
    for person in PEOPLE.keys() - {"eye"}:
        for (method, path), body in ANSWERS.items():
            world.server.model.requests.clear()
            world.server.model.script = say(f"{SECRET} [1]")
            status, answer = await world.ask(person, method, path, json=body | {"stream": stream})
            assert (path, status) == (path, 200), answer
            prompts = str(world.server.model.requests)
            assert (path, person, "closes on the fourth" in prompts) == (path, person, person in SEES)
            assert "merger.txt" not in answer or person in SEES
            # A model that says it all the same is not heard: nothing that one may see stands for it.
            assert (path, person, "fourth of May" in answer) == (path, person, person in SEES)


async def test_a_socket_answers_from_what_one_may_see(world):
    for person in PEOPLE.keys() - {"eye"}:
        world.server.model.script = say(f"{SECRET} [1]")
        headers = {"authorization": f"Bearer {world.secrets[person]}"}
        async with world.server.session.ws_connect(world.server.url + chat_socket.PATH, headers=headers) as socket:
            await socket.send_json({"type": "message", "message": QUESTION, "collection": "c"})
            told = ""
            async with asyncio.timeout(20):
                async for message in socket:
                    told += message.data
                    if json.loads(message.data).get("type") in ("done", "completed", "error"):
                        break
        assert (person, "fourth of May" in told) == (person, person in SEES)


async def test_the_cache_shows_nobody_an_answer_from_what_they_may_not_see(tmp_path):
    settings = Settings(server=ServerSettings(require_key=True))
    settings.cache.mode = "semantic"
    async with run_server(tmp_path / "home", settings) as server:
        world = World(server)
        await world.open()
        for person in ("boss", "boss", "ben", "anna"):
            server.model.script = say(f"{SECRET} [1]")
            _, answer = await world.ask(person, "POST", "/v1/chat/completions", json=GROUNDED)
            assert ("fourth of May" in answer) == (person in SEES)


async def test_a_trace_shows_what_was_found_to_whom_it_was_found_for(world):
    _, answer = await world.ask("anna", "POST", "/api/v1/ask", json=ANSWERS["POST", "/api/v1/ask"])
    path = f"/api/v1/traces/{json.loads(answer)['trace_id']}"
    for person in PEOPLE:
        _, trace = await world.ask(person, "GET", path)
        assert ("merger.txt" in trace) == (person in ("anna", "boss"))


async def test_the_job_that_brought_it_names_it_to_whom_it_belongs(world):
    job = await world.upload("anna", {"plan.txt": "The plan is ready."}, access="user:anna")
    for person in PEOPLE:
        status, _ = await world.ask(person, "GET", f"/api/v1/jobs/{job['id']}")
        assert (person, status) == (person, 200 if person in ("anna", "boss") else 404)
        assert (job["id"] in (await world.ask(person, "GET", "/api/v1/jobs"))[1]) == (status == 200)


async def test_nobody_else_removes_or_replaces_it(world):
    for person in PEOPLE.keys() - SEES - {"eye"}:
        document = f"/api/v1/documents/{world.ids['merger.txt']}"
        assert (await world.ask(person, "DELETE", document))[0] == 404
        assert (await world.ask(person, "DELETE", "/api/v1/collections/c"))[0] == 403
        job = await world.upload(person, {"merger.txt": "There is no merger."})
        assert (job["result"]["documents"], len(job["result"]["failed"])) == (0, 1)
        assert SECRET in (await world.ask("boss", "GET", f"{document}/text"))[1]


async def test_administrators_change_lists_and_the_log_says_so(world):
    path = f"/api/v1/documents/{world.ids['canteen.txt']}"
    for person in PEOPLE.keys() - {"boss"}:
        assert (await world.ask(person, "PATCH", path, json={"access": []}))[0] == 403
    status, body = await world.ask("boss", "PATCH", path, json={"access": ["team:sales", "user:ben"]})
    assert (status, json.loads(body)["access"]) == (200, ["team:sales", "user:ben"])
    assert (await world.ask("anna", "GET", path))[0] == 404
    assert (await world.ask("ben", "GET", path))[0] == 200
    _, log = await world.ask("boss", "GET", "/api/v1/audit?action=documents.access")
    (entry,) = json.loads(log)["entries"]
    assert (entry["before"], entry["after"]) == ({"access": []}, {"access": ["team:sales", "user:ben"]})
    status, body = await world.ask("boss", "PATCH", path, json={"access": ["everyone"]})
    assert (status, "user:NAME" in body) == (400, True)


async def test_a_list_that_is_none_stops_an_upload_before_anything_is_stored(world):
    form = aiohttp.FormData()
    form.add_field("files", b"Later.", filename="later.txt")
    status, body = await world.ask("boss", "POST", "/api/v1/collections/c/documents", data=form, params={"access": "x"})
    assert (status, json.loads(body)["error"]["param"]) == (400, "access")


async def test_a_line_of_a_batch_is_answered_from_what_whoever_handed_it_in_may_see(world):
    assert isinstance(world.server.model, ScriptedModel)
    for person in ("anna", "ben"):
        world.server.model.script = say(f"{SECRET} [1]")
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": GROUNDED}
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", json.dumps(line).encode(), filename="in.jsonl")
        file = json.loads((await world.ask(person, "POST", "/v1/files", data=form))[1])["id"]
        wanted = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = json.loads((await world.ask(person, "POST", "/v1/batches", json=wanted))[1])["id"]
        async with asyncio.timeout(30):
            while True:
                shown = json.loads((await world.ask(person, "GET", f"/v1/batches/{batch}"))[1])
                if shown["status"] == "completed":
                    break
                await asyncio.sleep(0.05)
        _, lines = await world.ask(person, "GET", f"/v1/files/{shown['output_file_id']}/content")
        assert (person, "fourth of May" in lines) == (person, person in SEES)


async def test_a_workflow_reads_what_whoever_began_it_may(world):
    step = {"kind": "task", "question": QUESTION, "collection": "c", "end": True}
    definition = {"name": "closing", "start": "a", "steps": {"a": step}}
    status, kept = await world.ask("boss", "POST", "/api/v1/workflows", json={"definition": definition})
    assert status == 201, kept
    for person in ("anna", "ben"):
        _, begun = await world.ask(person, "POST", "/api/v1/workflows/closing/runs", json={})
        run = f"/api/v1/workflow-runs/{json.loads(begun)['id']}"
        async with asyncio.timeout(60):
            while (found := json.loads((await world.ask(person, "GET", run))[1]))["status"] != "done":
                assert found["status"] in ("queued", "running"), found
                await asyncio.sleep(0.05)
        assert (person, "Halvorsen" in str(found["output"]["citations"])) == (person, person in SEES)
