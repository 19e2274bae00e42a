"""A batch that the provider's own batch endpoint runs."""

import asyncio
import json
import logging

import pytest

from guru.config import BatchSettings
from guru.errors import BadRequest, BudgetExceeded, Forbidden, ModelUnavailable, RateLimited, TooLarge
from guru.gateway.batches.account import usage_of
from guru.gateway.batches.batches import Batches
from guru.gateway.batches.files import Files
from guru.gateway.batches.lines import Answered
from guru.gateway.batches.run import BatchRunner
from guru.gateway.identity import local_owner
from guru.models.providers.batch_api import BatchAnswer, BatchStatus
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.types import Usage

CHAT = "/v1/chat/completions"


class Killed(BaseException):
    """The process dies here."""


class Endpoint:
    """A provider's batch endpoint: takes some looks to finish, and answers what it is told to."""

    ENDPOINTS = frozenset({CHAT})
    ONE_MODEL = False
    MAX_LINES = 100
    MAX_BYTES = 100_000

    def __init__(self):
        self.uploads, self.started, self.looks, self.cancelled, self.state = [], [], 0, [], "completed"
        self.failures = []  # raised by the next calls of `start`, before or after it has begun
        self.dies = None

    def line(self, endpoint, id, model, body):
        if body.get("strange"):
            raise BadRequest("Not that.")
        return json.dumps({"id": id, "model": model}).encode()

    async def upload(self, handed, lines):
        self.die("upload")
        self.uploads.append(lines)
        self.die("uploaded")
        return f"file_{len(self.uploads)}"

    async def start(self, handed, lines):
        self.die("start")
        if self.failures:
            raise self.failures.pop(0)
        assert handed.total == len(lines.splitlines())
        self.started.append((handed.file, lines))
        self.die("started")
        return f"batch_{len(self.started)}"

    async def find(self, handed):
        found = [number for number, (file, _) in enumerate(self.started, 1) if file == handed.file]
        return f"batch_{found[0]}" if found else None

    async def status(self, id):
        self.die("status")
        self.looks += 1
        if self.cancelled:
            return BatchStatus(state="cancelled")
        return BatchStatus(state=self.state if self.looks > 2 else "running")

    async def results(self, id):
        lines = self.started[int(id.removeprefix("batch_")) - 1][1].splitlines()
        for number, text in enumerate(reversed(lines)):
            if number == 1:
                self.die("results")
            line = json.loads(text)
            if line["model"] != "silent":
                yield line["id"], line

    def answer(self, endpoint, name, raw):
        if raw["model"] == "broken":
            return BatchAnswer(error={"code": "server_error", "message": "No."})
        if raw["model"] == "refusing":
            return BatchAnswer(status=400, body={"error": {"message": "No."}})
        return BatchAnswer(body={"model": name}, usage=Usage(prompt_tokens=3, completion_tokens=2))

    async def cancel(self, id):
        self.cancelled.append(id)

    def die(self, where):
        if self.dies == where:
            self.dies = None
            raise Killed


class Reservation:
    def __init__(self, cost, log):
        self.cost, self.log = cost, log

    def settle(self, tokens, cost):
        self.log.append((self.cost, cost))


class Accounts:
    """Every line may need 10 tokens and a dollar, and costs 25 cents."""

    def __init__(self):
        self.budget, self.admitted, self.refusals, self.settled, self.written = 100.0, [], [], [], []

    def estimate(self, endpoint, model, body):
        return 10, 1.0

    async def admit(self, caller, model, tokens):
        if self.refusals and (refusal := self.refusals.pop(0)) is not None:
            raise refusal
        self.admitted.append((caller.tenant, model, tokens))

    async def hold(self, caller, model, cost):
        if cost > self.budget:
            raise BudgetExceeded("The money is spent.")
        return Reservation(cost, self.settled)

    def write(self, caller, model, answer):
        self.written.append((model, caller.trace_id, answer.usage.prompt_tokens))
        return 0.25


class Setting:
    def __init__(self, folder):
        self.database = Database.in_home(folder)
        self.files = Files(self.database, BlobStore(folder))
        self.endpoint, self.asked, self.accounts, self.forbidden = Endpoint(), [], Accounts(), set()
        self.renew()

    def renew(self):
        """As a server that starts anew."""
        self.jobs = Jobs(self.database)
        self.runner = BatchRunner(
            self.files, self.ask, BatchSettings(), provider=self.find, accounts=self.accounts, allow=self.allow,
            poll=0.01, pause=0.001,
        )  # fmt: skip
        self.batches = Batches(self.files, self.jobs, self.runner)

    async def kill(self):
        """The process is gone: its rows are as they were, and nothing of it runs."""
        running = [task for _, task in self.jobs._running.values()]
        self.jobs._loop_task.cancel()
        await asyncio.gather(self.jobs._loop_task, *running, return_exceptions=True)
        self.renew()
        await self.jobs.start()

    async def ask(self, endpoint, body, caller):
        self.asked.append(json.loads(body)["model"])
        return Answered(200, {"asked": "here"}, "tr_1")

    def allow(self, caller, endpoint, model):
        if (endpoint, model) in self.forbidden:
            raise Forbidden("This key may not.")

    def find(self, model):
        return ("up", self.endpoint) if model.startswith("up/") else None

    async def submit(self, *models, metadata=None, **body):
        async def pieces():
            for custom_id, model in models:
                asked = {"model": model, "messages": [], **body}
                line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": asked}
                yield json.dumps(line).encode() + b"\n"

        caller = local_owner("batches", "tr_1")
        file = await self.files.add(caller, "in.jsonl", "batch", pieces())
        return await self.batches.create(caller, CHAT, file.id, metadata=metadata or {"provider_batch": "true"})

    async def ended(self, batch):
        async for _ in self.jobs.watch("local", (await self.jobs.list("local"))[0].id):
            pass
        return await self.batches.get(Scope("local"), batch.id)

    async def until(self, true):
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.001)

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
    models = [("a", "up/gpt"), ("b", "up/broken"), ("c", "up/silent"), ("d", "up/gpt"), ("e", "up/refusing")]
    batch = await setting.ended(await setting.submit(*models))
    assert (batch.status, batch.request_counts) == ("completed", {"total": 5, "completed": 2, "failed": 3})
    ((file, lines),) = setting.endpoint.started
    assert (file, [json.loads(line)["model"] for line in lines.splitlines()]) == (
        "file_1", ["gpt", "broken", "silent", "gpt", "refusing"],
    )  # fmt: skip
    answered = await setting.lines(batch.output_file_id)
    assert [line["custom_id"] for line in answered] == ["a", "d"]
    failed = await setting.lines(batch.error_file_id)
    wrong = {line["custom_id"]: line["error"] and line["error"]["code"] for line in failed}
    assert wrong == {"b": "server_error", "c": "not_answered", "e": None}
    assert setting.asked == []
    # The request id of a line is that of its trace.
    traces = [line["response"]["request_id"] for line in answered]
    assert sorted(setting.accounts.written) == sorted(("up/gpt", trace, 3) for trace in traces)


async def test_what_was_held_is_settled_with_what_was_spent(setting):
    await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/gpt"), ("c", "up/mini")))
    assert setting.accounts.admitted == [("local", "up/gpt", 10), ("local", "up/gpt", 10), ("local", "up/mini", 10)]
    looked, held = setting.accounts.settled[:2], setting.accounts.settled[2:]
    assert looked == [(2.0, 0.0), (1.0, 0.0)]
    assert held == [(2.0, 0.5), (1.0, 0.25)]


async def test_a_batch_beyond_the_budget_is_not_handed_in(setting):
    setting.accounts.budget = 1.5
    batch = await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/gpt")))
    assert (batch.status, batch.errors.data[0]["code"]) == ("failed", "insufficient_quota")
    assert (setting.endpoint.started, setting.asked, setting.accounts.admitted) == ([], [], [])


async def test_a_line_that_no_limit_lets_through_is_asked_here(setting):
    setting.accounts.refusals = [None, TooLarge("Too many tokens.")]
    batch = await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/mini"), ("c", "up/gpt")))
    assert (batch.status, batch.request_counts["completed"]) == ("completed", 3)
    assert setting.asked == ["up/mini"]
    assert len(setting.endpoint.started[0][1].splitlines()) == 2


async def test_money_that_is_spent_while_lines_wait_fails_the_batch(setting):
    setting.accounts.refusals = [None, BudgetExceeded("Spent.")]
    batch = await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/gpt")))
    assert (batch.status, setting.endpoint.started) == ("failed", [])


async def test_a_line_that_the_provider_does_not_take_is_asked_here(setting):
    setting.endpoint.line = lambda endpoint, line, model, body: Endpoint.line(
        setting.endpoint, endpoint, line, model, body | {"strange": model == "odd"}
    )
    batch = await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/odd")))
    assert (batch.status, setting.asked) == ("completed", ["up/odd"])
    assert [line["custom_id"] for line in await setting.lines(batch.output_file_id)] == ["a", "b"]


@pytest.mark.parametrize(
    ("models", "metadata"),
    [
        ([("a", "up/gpt"), ("b", "other/gpt")], {"provider_batch": "true"}),
        ([("a", "default")], {"provider_batch": "true"}),
        ([("a", "up/gpt")], {"provider_batch": "false"}),
        ([(str(number), "up/gpt") for number in range(101)], {"provider_batch": "true"}),
    ],
)
async def test_other_batches_take_the_road(setting, models, metadata):
    batch = await setting.ended(await setting.submit(*models, metadata=metadata))
    assert (batch.status, len(setting.asked)) == ("completed", len(models))
    assert setting.endpoint.started == []


async def test_a_provider_of_one_model_takes_no_other_batch(setting):
    setting.endpoint.ONE_MODEL = True
    await setting.ended(await setting.submit(("a", "up/gpt"), ("b", "up/mini")))
    assert setting.endpoint.started == []
    assert sorted(setting.asked) == ["up/gpt", "up/mini"]


async def test_a_model_that_the_key_may_not_use_is_not_asked_at_the_provider(setting):
    setting.forbidden.add((CHAT, "up/large"))
    await setting.ended(await setting.submit(("a", "up/small"), ("b", "up/large")))
    assert setting.endpoint.started == []
    assert setting.asked


async def test_a_provider_that_refuses_the_batch_leaves_it_to_us(setting):
    setting.endpoint.failures = [BadRequest("This model has no batches.")]
    batch = await setting.ended(await setting.submit(("a", "up/gpt")))
    assert (batch.status, setting.asked) == ("completed", ["up/gpt"])
    assert setting.accounts.settled[-1] == (1.0, 0.0)


async def test_a_provider_that_is_not_there_is_asked_again(setting):
    setting.endpoint.failures = [ModelUnavailable("Down."), ModelUnavailable("Down.")]
    batch = await setting.ended(await setting.submit(("a", "up/gpt")))
    assert (batch.status, setting.asked, len(setting.endpoint.started)) == ("completed", [], 1)


async def test_a_provider_that_never_comes_leaves_the_batch_to_us(setting):
    setting.endpoint.failures = [ModelUnavailable("Down.")] * 100
    batch = await setting.ended(await setting.submit(("a", "up/gpt")))
    assert (batch.status, setting.asked, setting.endpoint.started) == ("completed", ["up/gpt"], [])


async def test_an_answer_that_is_lost_does_not_hand_the_batch_in_twice(setting):
    start = setting.endpoint.start

    async def lost(handed, lines):
        await start(handed, lines)
        setting.endpoint.start = start
        raise ModelUnavailable("The connection broke.")

    setting.endpoint.start = lost
    batch = await setting.ended(await setting.submit(("a", "up/gpt")))
    assert (batch.status, len(setting.endpoint.started), setting.asked) == ("completed", 1, [])


async def test_a_cancelled_batch_is_cancelled_there_and_its_answers_are_fetched(setting):
    setting.endpoint.state = "running"
    batch = await setting.submit(("a", "up/gpt"), ("b", "up/silent"))
    await setting.until(lambda: setting.endpoint.looks)
    await setting.batches.cancel(Scope("local"), batch.id)
    batch = await setting.ended(batch)
    assert (batch.status, setting.endpoint.cancelled) == ("cancelled", ["batch_1"])
    assert batch.request_counts == {"total": 2, "completed": 1, "failed": 1}
    assert len(setting.accounts.written) == 1
    assert setting.accounts.settled[-1][1] == 0.25 or setting.accounts.settled[-2][1] == 0.25


async def test_a_batch_whose_job_is_cancelled_is_cancelled_at_the_provider(setting):
    setting.endpoint.state = "running"
    batch = await setting.submit(("a", "up/gpt"))
    await setting.until(lambda: setting.endpoint.looks)
    (job,) = await setting.jobs.list("local")
    await setting.jobs.cancel("local", job.id)
    async for _ in setting.jobs.watch("local", job.id):
        pass
    await setting.batches.get(Scope("local"), batch.id)
    batch = await setting.ended(batch)
    assert (batch.status, set(setting.endpoint.cancelled)) == ("cancelled", {"batch_1"})  # twice does no harm


@pytest.mark.parametrize("where", ["upload", "uploaded", "start", "started", "status", "results"])
async def test_a_kill_at_any_step_hands_nothing_in_twice(setting, where, caplog):
    caplog.set_level(logging.CRITICAL)
    setting.endpoint.dies = where
    batch = await setting.submit(("a", "up/gpt"), ("b", "up/gpt"), ("c", "up/gpt"))
    await setting.until(lambda: setting.endpoint.dies is None)
    await setting.kill()
    batch = await setting.ended(batch)
    assert (batch.status, batch.request_counts["completed"]) == ("completed", 3)
    assert len(setting.endpoint.started) == 1
    assert len({trace for _, trace, _ in setting.accounts.written}) == len(setting.accounts.written) == 3
    assert setting.asked == []


async def test_a_server_that_stops_leaves_the_batch_running(setting):
    setting.endpoint.state = "running"
    batch = await setting.submit(("a", "up/gpt"))
    await setting.until(lambda: setting.endpoint.looks)
    await setting.jobs.close()
    assert setting.endpoint.cancelled == []
    setting.endpoint.state = "completed"
    setting.renew()
    await setting.jobs.start()
    batch = await setting.ended(batch)
    assert (batch.status, batch.request_counts["completed"]) == ("completed", 1)
    assert len(setting.endpoint.started) == 1
    # The new process holds the money for what is still out.
    assert setting.accounts.settled[-1] == (1.0, 0.25)


async def test_batches_at_providers_take_nobody_s_turn(setting):
    setting.endpoint.state = "running"
    for _ in range(3):
        await setting.submit(("a", "up/gpt"))
    here = await setting.submit(("b", "up/gpt"), metadata={"provider_batch": "false"})
    async with asyncio.timeout(60):
        while (batch := await setting.batches.get(Scope("local"), here.id)).status != "completed":
            await asyncio.sleep(0.001)
    assert batch.request_counts["completed"] == 1


async def test_settings_are_taken_anew(setting):
    setting.runner.reload(BatchSettings(provider=True, max_lines=2))
    batch = await setting.ended(await setting.submit(("a", "up/gpt"), metadata={"job": "nightly"}))
    assert (batch.status, len(setting.endpoint.started)) == ("completed", 1)
    batch = await setting.ended(await setting.submit(*[(str(number), "up/gpt") for number in range(3)]))
    assert (batch.status, batch.errors.data[0]["code"]) == ("failed", "too_many_tasks")


def test_usage_of_either_name():
    responses = {"usage": {"input_tokens": 5, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}}}
    assert usage_of(responses) == Usage(prompt_tokens=5, completion_tokens=4, cached_tokens=2)
    assert usage_of({"usage": {"prompt_tokens": -3, "prompt_tokens_details": {"cached_tokens": "x"}}}) == Usage()
    assert usage_of(None).estimated


def test_a_rate_is_waited_for():
    assert RateLimited("Wait.").retryable and not BudgetExceeded("Spent.").retryable
