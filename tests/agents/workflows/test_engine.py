"""What each kind of step does, on a real store."""

import asyncio
import time

import pytest

from agents.workflows.rig import flow, open_shop, task
from guru.errors import Conflict, InvalidParameter, NotFound, StoreError
from guru.store.scope import Scope


async def test_steps_follow_each_other_and_hand_on_their_output(shop):
    run = await shop.run(
        flow(
            a=task("double", "b", parameters={"value": "{{ input.n }}"}),
            b=task("double", "c", parameters={"value.$": "$.value"}, result_path="$.again"),
            c={
                "kind": "pass",
                "parameters": {"all": "{{ steps.a.output.value }} and {{ steps.b.output.again.value }}"},
                "end": True,
            },
        ),
        {"n": 3},
    )
    assert (run.status, run.output) == ("done", {"all": "6 and 12"})
    steps = await shop.steps(run)
    assert [(path, step.status, step.next) for path, step in steps.items()] == [
        ("a", "done", "b"), ("b", "done", "c"), ("c", "done", None),
    ]  # fmt: skip
    assert steps["b"].input == {"value": 6}
    assert steps["b"].output == {"value": 6, "again": {"value": 12}}
    assert steps["a"].attempts[0].finished_at >= steps["a"].attempts[0].started_at


async def test_a_choice_goes_where_the_first_rule_that_holds_says(shop):
    absent = {"not": {"variable": "$.kind", "is_present": True}}
    choices = [
        {"and": [absent, {"variable": "$.n", "numeric_greater_than": 5}], "next": "many"},
        {"and": [absent], "next": "rest"},
        {"variable": "$.kind", "string_equals": "x", "next": "x"},
    ]
    definition = flow(
        a={"kind": "choice", "choices": choices, "default": "rest"},
        x={"kind": "pass", "result": "x", "end": True},
        many={"kind": "pass", "result": "many", "end": True},
        rest={"kind": "fail", "error": "NoKind", "cause": "What is {{ $.kind ?? 'that' }}?"},
    )
    assert (await shop.run(definition, {"kind": "x"})).output == "x"
    assert (await shop.run(definition, {"n": 6})).output == "many"
    failed = await shop.run(definition, {"n": 4})
    assert (failed.status, failed.error, failed.cause) == ("failed", "NoKind", "What is that?")
    lost = await shop.run(definition, {})
    assert (lost.error, lost.cause) == ("States.Runtime", "There is nothing at $.n.")


async def test_a_map_keeps_the_order_and_its_limit(shop):
    shop.desk.gates["g"] = asyncio.Event()
    run = await shop.begin(
        flow(
            a={"kind": "map", "items": "{{ input.numbers }}", "item": {"value": "{{ item }}", "at": "{{ index }}"},
               "concurrency": 3, "start": "s", "end": True,
               "steps": {"s": task("slow", "d", parameters={"gate": "g"}, result_path=None),
                         "d": task("double", parameters={"value.$": "$.value"})}},
        ),
        {"numbers": list(range(10))},
    )  # fmt: skip
    async with asyncio.timeout(30):
        while shop.desk.running < 3:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    shop.desk.gates["g"].set()
    ended = await shop.ended(run)
    assert ended.output == [{"value": 2 * number} for number in range(10)]
    assert shop.desk.most == 3


async def test_a_map_of_nothing_gives_nothing(shop):
    body = {"kind": "map", "items": "{{ $ }}", "start": "s", "steps": {"s": {"kind": "succeed"}}, "end": True}
    assert (await shop.run(flow(a=body), [])).output == []
    failed = await shop.run(flow(a=body), {"no": "list"})
    assert (failed.status, failed.error) == ("failed", "States.ParameterPathFailure")


async def test_items_may_fail_as_declared(each_shop):
    shop = each_shop
    shop.desk.failures = {"b": 9}
    body = {
        "kind": "map", "items": "{{ $ }}", "start": "s", "end": True,
        "steps": {"s": task("flaky", parameters={"name": "{{ item }}"})},
    }  # fmt: skip
    tolerant = await shop.run(flow(a=body | {"tolerated": 1}), ["a", "b", "c"])
    assert tolerant.output == [{"name": "a"}, {"Error": "RateLimited", "Cause": "Too many."}, {"name": "c"}]
    strict = await shop.run(flow(a=body), ["a", "b", "c"])
    assert (strict.status, strict.error) == ("failed", "RateLimited")
    shop.desk.failures = {"a": 9, "b": 9, "c": 9}
    many = await shop.run(flow(a=body | {"tolerated_percent": 50}), ["a", "b", "c"])
    assert many.error == "States.ExceedToleratedFailureThreshold"


async def test_branches_run_at_the_same_time(shop):
    shop.desk.gates["g"] = asyncio.Event()

    def branch(text):
        steps = {"s": task("slow", "n", parameters={"gate": "g"}), "n": {"kind": "pass", "result": text, "end": True}}
        return {"start": "s", "steps": steps}

    run = await shop.begin(flow(a={"kind": "parallel", "branches": [branch("x"), branch("y")], "end": True}))
    async with asyncio.timeout(30):
        while shop.desk.running < 2:
            await asyncio.sleep(0.01)
    shop.desk.gates["g"].set()
    assert (await shop.ended(run)).output == ["x", "y"]


async def test_the_failure_of_one_branch_breaks_the_others_off_and_is_caught(shop):
    branches = [
        {"start": "s", "steps": {"s": task("slow", parameters={"gate": "never"})}},
        {"start": "f", "steps": {"f": {"kind": "fail", "error": "Bad", "cause": "It is."}}},
    ]
    caught = [{"errors": ["Bad"], "next": "b", "result_path": "$.error"}]
    run = await shop.run(
        flow(a={"kind": "parallel", "branches": branches, "catch": caught, "end": True}, b={"kind": "succeed"}),
        {"n": 1},
    )
    assert run.output == {"n": 1, "error": {"Error": "Bad", "Cause": "It is."}}
    steps = await shop.steps(run)
    assert {path: step.status for path, step in steps.items()} == {
        "a": "caught", "a/0/s": "cancelled", "a/1/f": "failed", "b": "done",
    }  # fmt: skip
    assert shop.desk.running == 0


async def test_a_retry_waits_and_tries_again_as_often_as_it_says(shop):
    shop.desk.failures = {"x": 2}
    retry = [{"errors": ["RateLimited"], "attempts": 3, "interval": 0.02, "backoff": 1.5, "jitter": "full"}]
    run = await shop.run(flow(a=task("flaky", parameters={"name": "x"}, retry=retry)))
    assert (run.status, run.output) == ("done", {"name": "x"})
    attempts = (await shop.steps(run))["a"].attempts
    assert [attempt.error for attempt in attempts] == ["RateLimited", "RateLimited", None]
    shop.desk.failures = {"x": 9}
    failed = await shop.run(flow(a=task("flaky", parameters={"name": "x"}, retry=retry)))
    assert (failed.error, failed.cause) == ("RateLimited", "Too many.")
    assert len((await shop.steps(failed))["a"].attempts) == 4
    other = await shop.run(flow(a=task("flaky", parameters={"name": "x", "limit": False}, retry=retry)))
    assert len((await shop.steps(other))["a"].attempts) == 1


async def test_a_retried_map_does_all_of_it_again(shop):
    shop.desk.failures = {"b": 1}
    body = {
        "kind": "map", "items": "{{ $ }}", "start": "n", "end": True, "concurrency": 1,
        "retry": [{"errors": ["States.ALL"], "interval": 0.01}],
        "steps": {"n": task("note", "s", parameters={"text": "{{ item }}"}, result_path=None),
                  "s": task("flaky", parameters={"name": "{{ item }}"})},
    }  # fmt: skip
    run = await shop.run(flow(a=body), ["a", "b"])
    assert run.output == [{"name": "a"}, {"name": "b"}]
    assert [text for _, text in shop.desk.done] == ["a", "b", "a", "b"]


async def test_a_step_has_its_time(shop):
    caught = [{"errors": ["States.Timeout"], "next": "b"}]
    slow = task("slow", parameters={"gate": "never"}, timeout=0.05, catch=caught)
    run = await shop.run(flow(a=slow, b={"kind": "succeed"}))
    assert (run.status, run.output["Error"]) == ("done", "States.Timeout")
    assert shop.desk.running == 0


async def test_models_agents_and_documents_are_asked(shop):
    schema = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
    run = await shop.run(
        flow(
            a={"kind": "task", "prompt": "Of what is {{ input.text }}?", "schema": schema, "next": "b"},
            b={"kind": "task", "question": "How long for {{ steps.a.output.data.label }}?", "collection": "handbook",
               "next": "c"},
            c={"kind": "task", "agent": "helper", "prompt": "Say {{ steps.b.output.answer }}", "end": True},
        ),
        {"text": "this"},
    )  # fmt: skip
    assert run.output == {"text": "helper did: Say 22 weeks"}
    assert [said for _, said in shop.desk.done] == ["Of what is this?", "How long for refund?", "Say 22 weeks"]


async def test_a_loop_goes_round_until_its_choice_leads_out(shop):
    definition = flow(
        a={"kind": "pass", "parameters": {"n.$": "States.MathAdd($.n, 1)"}, "next": "b"},
        b={"kind": "choice", "choices": [{"variable": "$.n", "numeric_less_than": 4, "next": "a"}], "default": "c"},
        c={"kind": "succeed"},
    )
    run = await shop.run(definition, {"n": 0})
    assert run.output == {"n": 4}
    assert [path for path in await shop.steps(run) if path.startswith("a")] == ["a", "a#2", "a#3", "a#4"]


async def test_a_run_has_limits(database):
    forever = flow(
        a={"kind": "pass", "next": "b"},
        b={"kind": "choice", "choices": [{"variable": "$.stop", "is_present": True, "next": "c"}], "default": "a"},
        c={"kind": "succeed"},
    )
    big = flow(a={"kind": "pass", "parameters": {"x": "{{ input.x }}{{ input.x }}"}, "end": True})
    caught = [{"errors": ["States.ALL"], "next": "b"}]
    grown = flow(a=task("note", parameters={"text": "{{ input.x }}"}, catch=caught), b={"kind": "succeed"})
    async with open_shop(database, steps=50, data=1000, total=10_000) as shop:
        failed = await shop.run(forever)
        assert (failed.error, "50 steps" in failed.cause) == ("States.Runtime", True)
        assert (await shop.run(big, {"x": "y" * 600})).error == "States.DataLimitExceeded"
        assert (await shop.run(grown, {"x": "y" * 990})).error == "States.DataLimitExceeded"
        assert (await shop.run(forever | {"max_steps": 7})).cause.startswith("The run has taken 7 steps")


async def test_a_deadline_ends_a_run_that_works_and_one_that_waits(shop):
    working = await shop.run(flow(a=task("slow", parameters={"gate": "never"}), deadline=0.1))
    assert (working.status, working.error) == ("failed", "States.Timeout")
    waiting = await shop.run(flow(a={"kind": "wait", "seconds": 3600, "end": True}, deadline=0.1))
    assert (waiting.status, waiting.error) == ("failed", "States.Timeout")
    assert (await shop.steps(waiting))["a"].status == "cancelled"


async def test_a_long_wait_holds_nothing_and_ends_in_time(each_shop):
    shop = each_shop
    run = await shop.begin(
        flow(a={"kind": "wait", "seconds": "{{ input.s }}", "next": "b"}, b=task("note")), {"s": 2.5}
    )
    waiting = await shop.until(run, "waiting")
    jobs = await shop.jobs.list("t")
    async with asyncio.timeout(30):
        while not (jobs := await shop.jobs.list("t"))[0].ended:
            await asyncio.sleep(0.01)
    assert [job.status for job in jobs] == ["done"]
    assert waiting.wake_at > time.time()
    assert (await shop.ended(run)).status == "done"
    assert len(shop.desk.done) == 1
    assert len(await shop.jobs.list("t")) == 1  # the job before it has left no row


async def test_a_wait_until_a_time_that_is_over_is_none(shop):
    run = await shop.run(
        flow(a={"kind": "wait", "until": "{{ input.at }}", "end": True}), {"at": "2020-01-01T00:00:00Z"}
    )
    assert run.status == "done"
    bad = await shop.run(flow(a={"kind": "wait", "until": "{{ input.at }}", "end": True}), {"at": "soon"})
    assert (bad.status, bad.error) == ("failed", "States.Runtime")


FORM = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}


async def test_a_person_decides_and_fills_a_form(each_shop):
    shop = each_shop
    run = await shop.begin(
        flow(
            a={"kind": "human", "title": "Refund {{ input.name }}?", "decisions": ["yes", "no"], "form": FORM,
               "next": "b"},
            b={"kind": "pass", "parameters": {"d": "{{ $.decision }}", "n": "{{ $.form.amount }}"}, "end": True},
        ),
        {"name": "Ann"},
    )  # fmt: skip
    await shop.until(run, "waiting")
    ask = await shop.asked(run, "a")
    assert ask.title == "Refund Ann?"
    with pytest.raises(InvalidParameter, match="yes, no"):
        await shop.say(run, "a", decision="maybe", form={"amount": 3})
    with pytest.raises(InvalidParameter, match="amount"):
        await shop.say(run, "a", decision="yes", form={"amount": "three"})
    with pytest.raises(NotFound):
        await shop.say(run, "b", decision="yes")
    await shop.say(run, "a", decision="yes", form={"amount": 3})
    assert (await shop.ended(run)).output == {"d": "yes", "n": 3}
    with pytest.raises(Conflict):
        await shop.say(run, "a", decision="no", form={"amount": 3})


async def test_a_person_answers_while_another_branch_works(shop):
    branches = [
        {"start": "h", "steps": {"h": {"kind": "human", "title": "Well?", "decisions": ["ok"], "end": True}}},
        {"start": "s", "steps": {"s": task("slow", parameters={"gate": "g"})}},
    ]
    run = await shop.begin(flow(a={"kind": "parallel", "branches": branches, "end": True}))
    await shop.asked(run, "a/0/h")
    await shop.say(run, "a/0/h", decision="ok")
    async with asyncio.timeout(30):
        while (await shop.steps(run))["a/0/h"].status != "done":
            await asyncio.sleep(0.01)
    assert (await shop.get(run)).status == "running"
    shop.desk.gates["g"].set()
    assert (await shop.ended(run)).output[0]["decision"] == "ok"


async def test_nobody_answers_in_time(shop):
    caught = [{"errors": ["States.Timeout"], "next": "b"}]
    asking = {"kind": "human", "title": "Well?", "decisions": ["ok"], "timeout": 0.05, "catch": caught, "end": True}
    run = await shop.run(flow(a=asking, b={"kind": "pass", "result": "nobody", "end": True}))
    assert run.output == "nobody"
    late = await shop.run(flow(a={"kind": "human", "title": "Well?", "decisions": ["ok"], "timeout": 0.5, "end": True}))
    assert late.error == "States.Timeout"
    await shop.workflows.resume("t", late.id)
    await shop.asked(late, "a")  # for as long again
    assert (await shop.ended(late)).error == "States.Timeout"


async def test_a_dangerous_tool_waits_for_a_yes(shop):
    definition = flow(a=task("wire", parameters={"text": "100"}))
    run = await shop.begin(definition)
    ask = await shop.asked(run, "a")
    assert ("wire" in ask.title, "100" in ask.text, shop.desk.done) == (True, True, [])
    await shop.say(run, "a", decision="approve")
    assert (await shop.ended(run)).output == {"charged": "100"}
    refused = await shop.begin(definition)
    await shop.asked(refused, "a")
    await shop.say(refused, "a", decision="reject")
    ended = await shop.ended(refused)
    assert (ended.status, ended.error, len(shop.desk.done)) == ("failed", "Rejected", 1)
    await shop.workflows.resume("t", refused.id)  # it is asked anew
    await shop.asked(refused, "a")
    await shop.say(refused, "a", decision="approve")
    assert (await shop.ended(refused)).output == {"charged": "100"}


async def test_a_run_is_cancelled_while_it_works_and_while_it_waits(each_shop):
    shop = each_shop
    working = await shop.begin(flow(a=task("slow", parameters={"gate": "never"})))
    async with asyncio.timeout(30):
        while not shop.desk.running:
            await asyncio.sleep(0.01)
    assert (await shop.workflows.cancel("t", working.id)).status == "cancelled"
    async with asyncio.timeout(30):
        while shop.desk.running:
            await asyncio.sleep(0.01)
    waiting = await shop.begin(flow(a={"kind": "wait", "seconds": 100, "end": True}))
    await shop.until(waiting, "waiting")
    assert (await shop.workflows.cancel("t", waiting.id)).status == "cancelled"
    assert (await shop.steps(waiting))["a"].status == "cancelled"
    with pytest.raises(Conflict):
        await shop.workflows.cancel("t", waiting.id)


async def test_a_failed_run_goes_on_at_what_failed(each_shop):
    shop = each_shop
    shop.desk.failures = {"b": 9}
    body = {
        "kind": "map", "items": "{{ input }}", "start": "n", "end": True, "concurrency": 1,
        "steps": {"n": task("note", "s", parameters={"text": "{{ item }}"}, result_path=None),
                  "s": task("flaky", parameters={"name": "{{ item }}"})},
    }  # fmt: skip
    run = await shop.run(flow(a=task("note", "b", parameters={"text": "first"}), b=body), ["a", "b"])
    assert run.status == "failed"
    shop.desk.failures = {}
    await shop.workflows.resume("t", run.id)
    ended = await shop.ended(run)
    assert (ended.status, ended.output) == ("done", [{"name": "a"}, {"name": "b"}])
    assert [text for _, text in shop.desk.done] == ["first", "a", "b"]  # nothing twice
    with pytest.raises(Conflict):
        await shop.workflows.resume("t", run.id)


async def test_a_run_keeps_the_version_that_it_began_with(each_shop):
    shop = each_shop
    first = flow(
        a={"kind": "human", "title": "Go?", "decisions": ["go"], "next": "b"},
        b={"kind": "pass", "result": 1, "end": True},
    )
    run = await shop.begin(first)
    await shop.until(run, "waiting")
    second = first | {"steps": first["steps"] | {"b": {"kind": "pass", "result": 2, "end": True}}}
    _, version = await shop.workflows.save("t", second, {}, "owner")
    _, same = await shop.workflows.save("t", second, {}, "owner")
    assert (version, same) == (2, 2)
    await shop.workflows.catalogue.delete("t", "flow")
    await shop.say(run, "a", decision="go")
    ended = await shop.ended(run)
    assert (ended.version, ended.output) == (1, 1)


async def test_organisations_do_not_see_each_other(each_shop):
    shop = each_shop
    run = await shop.run(flow(a={"kind": "succeed"}))
    workflows = shop.workflows
    assert await workflows.catalogue.list("other") == []
    for work in (
        workflows.catalogue.get("other", "flow"),
        workflows.catalogue.delete("other", "flow"),
        workflows.begin("other", "flow", {}, owner="owner", caller={}),
        workflows.find(Scope("other"), run.id),
        workflows.cancel("other", run.id),
        workflows.resume("other", run.id),
        workflows.answer(Scope("other"), run.id, "a", {}, by="x"),
    ):
        with pytest.raises(NotFound):
            await work
    assert await workflows.list(Scope("other")) == []
    assert await workflows.runs.steps("other", run.id) == []
    assert await workflows.runs.changes("other", run.id) is None


async def test_who_is_asked_by_name_sees_the_run_and_answers(each_shop):
    shop = each_shop
    asking = {"kind": "human", "title": "Well?", "decisions": ["ok"], "people": ["team:légal"], "end": True}
    run = await shop.begin(flow(a=asking))
    await shop.until(run, "waiting")
    workflows = shop.workflows
    lea = Scope("t", ("user:lea",), ("team:légal",))
    ben = Scope("t", ("user:ben",), ("team:sales",))
    assert [seen.id for seen in await workflows.list(lea)] == [run.id]
    assert await workflows.list(ben) == []
    assert (await workflows.find(lea, run.id))[1] is False
    with pytest.raises(NotFound):
        await workflows.answer(ben, run.id, "a", {"decision": "ok"}, by="user:ben")
    await workflows.answer(lea, run.id, "a", {"decision": "ok"}, by="user:lea")
    ended = await shop.ended(run)
    assert ended.output["by"] == "user:lea"
    with pytest.raises(NotFound):
        await workflows.find(lea, run.id)


async def test_what_is_given_holds_to_the_schema(shop):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    definition = flow(a={"kind": "succeed"}, input=schema)
    with pytest.raises(InvalidParameter, match="`n`"):
        await shop.begin(definition, {"n": "x"})
    assert (await shop.run(definition, {"n": 1})).output == {"n": 1}


async def test_two_processes_share_the_work_and_do_each_step_once(each_database):
    async with open_shop(each_database) as one, open_shop(each_database, one.desk) as other:
        runs = [
            await shop.begin(
                flow(a=task("note", "b", parameters={"text": f"{n}"}), b=task("note", parameters={})), {"n": n}
            )
            for n in range(6)
            for shop in (one, other)
        ]
        for run in runs:
            assert (await one.ended(run)).status == "done"
        calls = [call for call, _ in one.desk.done]
        assert (len(calls), len(set(calls))) == (24, 24)


async def test_who_watches_sees_every_step_end(shop):
    asking = {"kind": "human", "title": "Go on?", "decisions": ["yes"], "next": "c"}
    run = await shop.begin(flow(a={"kind": "pass", "next": "b"}, b=asking, c=task("note")))
    seen = []
    async for found, steps in shop.workflows.watch("t", run.id):
        seen.append((found.status, {step.path: step.status for step in steps}))
        if seen[-1] == ("waiting", {"a": "done", "b": "asked"}):
            await shop.say(run, "b", decision="yes")
    assert seen[-1] == ("done", {"a": "done", "b": "done", "c": "done"})


async def test_a_store_that_is_away_for_a_moment_costs_nothing(shop, monkeypatch):
    monkeypatch.setattr("guru.agents.workflows.workflows.PAUSES", (0.01, 0.01, 0.01))
    put_step, failures = shop.workflows.runs.put_step, [StoreError("Away."), StoreError("Away.")]

    async def sometimes(run, step, size):
        if step.status == "done" and failures:
            raise failures.pop()
        await put_step(run, step, size)

    shop.workflows.runs.put_step = sometimes
    run = await shop.run(flow(a=task("note", parameters={"text": "x"})))
    assert (run.status, failures) == ("done", [])
    assert len({call for call, _ in shop.desk.done}) == 1  # the same call, made again: the tool may be repeated


async def test_a_run_whose_job_was_ended_by_somebody_fails_and_can_be_resumed(shop):
    run = await shop.begin(flow(a=task("slow", "b", parameters={"gate": "g"}), b=task("note", parameters={})))
    async with asyncio.timeout(30):
        while not shop.desk.running:
            await asyncio.sleep(0.01)
    await shop.jobs.cancel("t", (await shop.get(run)).job_id)
    failed = await shop.until(run, "failed")
    assert (failed.error, failed.cause) == ("States.Runtime", "Its job is cancelled.")
    shop.desk.gates["g"].set()
    await shop.workflows.resume("t", run.id)
    assert (await shop.ended(run)).status == "done"


async def test_a_whole_run_has_so_many_tasks_at_a_time(database):
    inner = {
        "kind": "map", "items": "{{ $ }}", "start": "s", "end": True,
        "steps": {"s": task("slow", parameters={"gate": "g"})},
    }  # fmt: skip
    definition = flow(a={"kind": "map", "items": "{{ $ }}", "start": "m", "steps": {"m": inner}, "end": True})
    async with open_shop(database, concurrency=3) as shop:
        run = await shop.begin(definition, [[1, 2, 3, 4]] * 4)
        async with asyncio.timeout(30):
            while shop.desk.running < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        shop.desk.gates["g"].set()
        assert (await shop.ended(run)).output == [["slept"] * 4] * 4
        assert shop.desk.most == 3


async def test_a_wait_beside_work_ends_in_time_and_nothing_is_broken_off(shop):
    waits = {
        "start": "w",
        "steps": {"w": {"kind": "wait", "seconds": 2.6, "next": "n"}, "n": task("note", parameters={})},
    }
    works = {"start": "s", "steps": {"s": task("slow", parameters={"gate": "g"})}}
    run = await shop.begin(flow(a={"kind": "parallel", "branches": [waits, works], "end": True}))
    async with asyncio.timeout(30):
        while not shop.desk.done:
            assert (await shop.get(run)).status in ("queued", "running")
            await asyncio.sleep(0.05)
    assert shop.desk.running == 1
    shop.desk.gates["g"].set()
    assert (await shop.ended(run)).output == ["noted None", "slept"]
