"""A batch that the provider's own batch endpoint runs."""

import json

import pytest

from guru.config import BatchSettings
from guru.errors import Forbidden
from guru.gateway.batches.account import usage_of
from guru.gateway.batches.batches import Batches
from guru.gateway.batches.files import Files
from guru.gateway.batches.run import BatchRunner
from guru.gateway.identity import local_owner
from guru.models.providers.base import BatchStatus
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.scope import Scope

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


class Endpoint:
    """A provider's batch endpoint: takes some looks to finish, and answers what it is told to."""

    def __init__(self):
        self.submitted, self.looks, self.cancelled, self.state = [], 0, [], "completed"

    async def submit(self, lines, endpoint):
        self.submitted.append((lines, endpoint))
        return f"batch_{len(self.submitted)}"

    async def status(self, id):
        self.looks += 1
        return BatchStatus(state=self.state if self.looks > 2 else "running")

    async def results(self, id):
        for text in reversed(self.submitted[0][0].splitlines()):
            line = json.loads(text)
            if line["custom_id"] == "silent":
                continue
            error = {"code": "server_error", "message": "No."} if line["custom_id"] == "broken" else None
            body = {"answer": line["custom_id"], "usage": USAGE}
            response = None if error else {"status_code": 200, "request_id": "req_1", "body": body}
            yield {"custom_id": line["custom_id"], "response": response, "error": error}

    async def cancel(self, id):
        self.cancelled.append(id)


class Setting:
    def __init__(self, folder):
        self.database = Database.in_home(folder)
        self.files = Files(self.database, BlobStore(folder))
        self.jobs = Jobs(self.database)
        self.endpoint, self.asked, self.accounts, self.forbidden = Endpoint(), [], [], set()
        runner = BatchRunner(
            self.files, self.ask, BatchSettings(), provider=self.find, account=self.account, allow=self.allow,
            poll=0.01,
        )  # fmt: skip
        self.batches = Batches(self.files, self.jobs, runner)

    async def ask(self, endpoint, body, caller):
        self.asked.append(body)
        raise AssertionError("a line took the road")

    def allow(self, caller, endpoint, model):
        if (endpoint, model) in self.forbidden:
            raise Forbidden("This key may not.")

    def find(self, model):
        return ("up", self.endpoint) if model.startswith("up/") else None

    def account(self, caller, model, answer):
        self.accounts.append((model, usage_of(answer.body).prompt_tokens))

    async def submit(self, *models, metadata=None):
        async def pieces():
            for custom_id, model in models:
                line = {
                    "custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions",
                    "body": {"model": model, "messages": []},
                }  # fmt: skip
                yield json.dumps(line).encode() + b"\n"

        caller = local_owner("batches", "tr_1")
        file = await self.files.add(caller, "in.jsonl", "batch", pieces())
        return await self.batches.create(
            caller, "/v1/chat/completions", file.id, metadata=metadata or {"provider_batch": "true"}
        )

    async def ended(self, batch):
        async for _ in self.jobs.watch("local", (await self.jobs.list("local"))[0].id):
            pass
        return await self.batches.get(Scope("local"), batch.id)

    async def lines(self, file_id):
        path = await self.files.path(Scope("local"), file_id)
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
async def setting(tmp_path):
    made = Setting(tmp_path)
    await made.database.open()
    await made.jobs.start()
    yield made
    await made.jobs.close()
    await made.database.close()


async def test_the_provider_answers_and_the_files_are_ours(setting):
    models = [("a", "up/gpt"), ("broken", "up/gpt"), ("silent", "up/mini"), ("d", "up/gpt")]
    batch = await setting.ended(await setting.submit(*models))
    assert (batch.status, batch.request_counts) == ("completed", {"total": 4, "completed": 2, "failed": 2})
    ((lines, endpoint),) = setting.endpoint.submitted
    assert endpoint == "/v1/chat/completions"
    assert [json.loads(line)["body"]["model"] for line in lines.splitlines()] == ["gpt", "gpt", "mini", "gpt"]
    assert [line["custom_id"] for line in await setting.lines(batch.output_file_id)] == ["a", "d"]
    wrong = {line["custom_id"]: line["error"]["code"] for line in await setting.lines(batch.error_file_id)}
    assert wrong == {"broken": "server_error", "silent": "not_answered"}
    assert setting.asked == []
    assert setting.accounts == [("up/gpt", 3), ("up/gpt", 3)]


@pytest.mark.parametrize(
    ("models", "metadata"),
    [
        ([("a", "up/gpt"), ("b", "other/gpt")], {"provider_batch": "true"}),
        ([("a", "default")], {"provider_batch": "true"}),
        ([("a", "up/gpt")], {"provider_batch": "false"}),
    ],
)
async def test_other_batches_take_the_road(setting, models, metadata):
    await setting.ended(await setting.submit(*models, metadata=metadata))
    assert setting.asked
    assert setting.endpoint.submitted == []


async def test_a_model_that_the_key_may_not_use_is_not_asked_at_the_provider(setting):
    setting.forbidden.add(("/v1/chat/completions", "up/large"))
    await setting.ended(await setting.submit(("a", "up/small"), ("b", "up/large")))
    assert setting.endpoint.submitted == []
    assert setting.asked


async def test_a_cancelled_batch_is_cancelled_at_the_provider(setting):
    setting.endpoint.state = "running"
    batch = await setting.submit(("a", "up/gpt"))
    async for job in setting.jobs.watch("local", (await setting.jobs.list("local"))[0].id):
        if setting.endpoint.looks:
            break
        del job
        setting.jobs.announce()
    await setting.batches.cancel(Scope("local"), batch.id)
    batch = await setting.ended(batch)
    assert (batch.status, setting.endpoint.cancelled) == ("cancelled", ["batch_1"])


async def test_a_batch_that_goes_on_is_not_handed_in_again(setting):
    setting.endpoint.state = "running"
    batch = await setting.submit(("a", "up/gpt"))
    while not setting.endpoint.looks:
        async for _ in setting.jobs.watch("local", (await setting.jobs.list("local"))[0].id):
            break
    await setting.jobs.close()
    setting.endpoint.state = "completed"
    await setting.jobs.start()
    batch = await setting.ended(batch)
    assert (batch.status, batch.request_counts["completed"]) == ("completed", 1)
    assert len(setting.endpoint.submitted) == 1
