"""A release from its start to its end, by rules and by hand, over a real router and a real database."""

import asyncio
import contextlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from guru.config import AliasSettings, Deployment, ReleaseSettings, Settings
from guru.errors import BadRequest, Conflict, InvalidParameter, ModelUnavailable, NotFound
from guru.gateway.identity import Caller
from guru.gateway.releases import Feedback, Releases
from guru.gateway.releases.sticky import is_candidate
from guru.gateway.routing import Router
from guru.store.database import Database
from guru.types import ChatRequest, Completed, Delta, Finished, Message, Started, Usage

DOWN = ModelUnavailable("500 from upstream.")
ANN = Caller(tenant="local", route="releases", trace_id="tr_0", user="ann", role="admin")


def caller(user="ann", **fields):
    return Caller(tenant="local", route="chat.completions", trace_id="tr_1", user=user, **fields)


class Clock:
    """The time that calls take, as the models here say it: not as the machine has it."""

    now = 0.0

    def __call__(self):
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("guru.gateway.routing.attempt.monotonic", CLOCK)


class Model:
    context_length = 8192

    def __init__(self, name):
        self.name = name
        self.calls = 0
        self.error = None
        self.seconds = 0.001
        self.gate = None
        self.cost = 0.001

    async def chat(self, request):
        self.calls += 1
        CLOCK.now += self.seconds
        if self.gate is not None:
            await self.gate.wait()
        if self.error:
            raise self.error
        yield Delta(text=f"{self.name} says hello")
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage(1, 1), cost=self.cost)


def settings_of(release=None, **deployment):
    deployments = [Deployment(model="a/old", label="old"), Deployment(model="b/new", label="new", **deployment)]
    return Settings(models={"smart": AliasSettings(deployments=deployments, release=release, retries=0)})


class World:
    def __init__(self, home, settings):
        self.home = home
        self.settings = settings
        self.models = {name: Model(name) for name in ("a/old", "b/new", "c/newer")}
        self.audited = []
        self.shadowed = []

    def chat_model(self, name):
        return self.models[name]

    async def __aenter__(self):
        self.database = Database.in_home(self.home)
        await self.database.open()

        def audit(connection, who, action, subject, *, before, after):
            self.audited.append((who.user, action, subject))

        self.releases = Releases(self.database, self.settings, ask=self.mirrored, audit=audit)
        await self.releases.open()
        self.router = Router(self, self.settings, variants=self.releases, seed=1)
        return self

    async def __aexit__(self, *_):
        await self.releases.close()
        await self.database.close()

    def mirrored(self, request, who):
        self.shadowed.append((request, who))
        return self.chat_model(request.model).chat(request)

    async def ask(self, who=None, **fields):
        request = ChatRequest(model="smart", messages=[Message("user", "Hi")], **fields)
        model = self.router.model("smart", request, who or caller(), lambda model, deployment: model)
        return next(event.variant for event in [event async for event in model.chat(request)] if type(event) is Started)

    async def many(self, count=100):
        return Counter([await self.ask(caller(f"user{n}")) for n in range(count)])

    @property
    def release(self):
        return self.releases.show("smart").release


@pytest.fixture
def enter(tmp_path):
    """`async with enter(release, ...)`: a server's worth of parts on one home."""
    return lambda release=None, **deployment: World(tmp_path / "home", settings_of(release, **deployment))


CANARY = ReleaseSettings(candidate="new", share=0.2)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 500))
def test_a_growing_share_only_adds_people(one, other, n):
    low, high = sorted((one, other))
    who = caller(f"user{n}")
    if is_candidate("release_1", low, who, "user"):
        assert is_candidate("release_1", high, who, "user")


def test_shares_are_what_they_say_and_people_stay():
    people = [caller(f"user{n}") for n in range(4000)]
    first = [is_candidate("release_1", 0.1, who, "user") for who in people]
    assert 0.08 < sum(first) / 4000 < 0.12
    assert first == [is_candidate("release_1", 0.1, who, "user") for who in people]
    other = [is_candidate("release_2", 0.1, who, "user") for who in people]
    assert sum(a and b for a, b in zip(first, other, strict=True)) < 100  # not the same guinea pigs every time


def test_what_sticks_is_what_was_asked_for():
    one = caller("ann", key="k1", conversation="c1")
    assert {is_candidate("r", 0.5, one, "none") for _ in range(100)} == {True, False}
    for sticky, changed in (("user", {"key": "k2"}), ("key", {"user": "bob"}), ("conversation", {"key": "k9"})):
        assert is_candidate("r", 0.5, one, sticky) == is_candidate("r", 0.5, replace(one, **changed), sticky)


async def test_a_canary_gets_its_share_and_everyone_keeps_theirs(enter):
    async with enter(CANARY) as world:
        found = await world.many(200)
        assert 20 <= found["new"] <= 62
        assert await world.many(200) == found


async def test_a_candidate_that_fails_costs_nobody_an_answer_and_is_rolled_back(enter):
    async with enter(replace(CANARY, share=0.5)) as world:
        world.models["b/new"].error = DOWN
        assert await world.many(100) == {"old": 100}
        await world.releases.check()
        assert (world.release.status, world.release.share) == ("rolled-back", 0.0)
        assert "errors: 1 against 0" in world.release.reason
        assert ("guru", "releases.rollback", "smart") in world.audited
        calls = world.models["b/new"].calls
        await world.many(50)
        assert world.models["b/new"].calls == calls


async def test_rollback_can_be_left_to_people(enter):
    async with enter(replace(CANARY, share=0.5, rollback=False)) as world:
        world.models["b/new"].error = DOWN
        await world.many(100)
        await world.releases.check()
        assert world.release.status == "running"
        errors = world.releases.show("smart").comparisons[0]
        assert (errors.metric, errors.verdict) == ("errors", "worse")


async def test_bad_requests_speak_against_no_version(enter):
    async with enter(replace(CANARY, share=0.5)) as world:
        world.models["b/new"].error = world.models["a/old"].error = BadRequest("No.")
        for n in range(50):
            with pytest.raises(BadRequest):
                await world.ask(caller(f"user{n}"))
        assert world.releases.show("smart").candidate.requests == 0


async def test_a_good_candidate_is_promoted_step_by_step(enter):
    async with enter(replace(CANARY, steps=[0.2, 0.5, 1.0], min_requests=20)) as world:
        shares = [world.release.share]
        for _ in range(6):
            await world.many(400)  # of whom a fifth are never so few as 20
            await world.releases.check()
            shares.append(world.release.share)
        assert shares == [0.2, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
        assert world.release.status == "promoted"
        assert await world.many(20) == {"new": 20}
        actions = [change.action for _, change in await world.releases.history("smart")]
        assert actions == ["promote", "promote", "start"]


async def test_one_that_looks_worse_is_not_promoted_though_nothing_is_proved(enter):
    async with enter(replace(CANARY, share=0.5, steps=[0.5, 1.0], min_requests=20)) as world:
        world.models["b/new"].error = ModelUnavailable("Not now.")
        while not world.models["b/new"].calls:
            await world.ask(caller(f"early{world.models['a/old'].calls}"))
        world.models["b/new"].error = None
        await world.many(60)  # one error in about thirty
        await world.releases.check()
        assert (world.release.status, world.release.share) == ("running", 0.5)


async def test_every_change_can_be_made_by_hand_is_written_down_and_survives_a_restart(enter):
    async with enter() as world:
        assert Counter([await world.ask() for _ in range(10)]) == {"old": 5, "new": 5}
        await world.releases.start("smart", CANARY, ANN)
        await world.releases.share("smart", 1.0, ANN)
        assert await world.many(10) == {"new": 10}
        await world.releases.rollback("smart", ANN, "I changed my mind.")
        assert await world.many(10) == {"old": 10}
    async with enter() as world:
        assert (world.release.status, world.release.reason) == ("rolled-back", "I changed my mind.")
        assert await world.many(10) == {"old": 10}
        await world.releases.promote("smart", ANN)
        assert await world.many(10) == {"new": 10}
        await world.releases.stop("smart", ANN)
        assert Counter([await world.ask() for _ in range(10)]) == {"old": 5, "new": 5}
        history = await world.releases.history("smart")
        assert [change.action for _, change in history] == ["stop", "promote", "rollback", "share", "start"]
        assert {change.actor for _, change in history} == {"ann"}
        assert history[2][1].before["share"] == 1.0
        with pytest.raises(Conflict):
            await world.releases.share("smart", 0.5, ANN)


async def test_counts_survive_a_restart_and_a_change_of_the_share_begins_anew(enter):
    async with enter(CANARY) as world:
        await world.many(50)
        before = world.releases.show("smart")
    async with enter(CANARY) as world:
        after = world.releases.show("smart")
        assert after.candidate == before.candidate
        assert after.release.id == before.release.id
        await world.releases.share("smart", 0.3, ANN)
        assert world.releases.show("smart").candidate.requests == 0
        assert world.release.epoch == 2


async def test_a_release_that_was_rolled_back_is_not_started_again_by_a_restart(enter):
    async with enter(CANARY) as world:
        await world.releases.rollback("smart", ANN)
    async with enter(CANARY) as world:
        assert world.release.status == "rolled-back"
    async with enter(replace(CANARY, share=0.5)) as world:  # another configuration is another release
        assert (world.release.status, world.release.share) == ("running", 0.5)


async def test_a_version_is_immutable_and_a_changed_definition_is_another_one(enter):
    async with enter(CANARY) as world:
        assert world.release.version == 1
    async with enter(CANARY, weight=5.0) as world:  # a weight makes no other version
        assert (world.release.version, world.release.status) == (1, "running")
    async with enter(CANARY, region="eu") as world:
        assert world.release.version == 2
        found = [(row["label"], row["version"]) for row in await world.releases.versions("smart")]
        assert found == [("new", 1), ("new", 2), ("old", 1)]
        reasons = [change.after["reason"] for _, change in await world.releases.history("smart")]
        assert "The configuration of `new` changed." in reasons
    async with enter(CANARY) as world:  # the old definition is the old version
        assert world.release.version == 1


async def test_blue_green_switches_all_at_once_and_back(enter):
    async with enter(replace(CANARY, kind="blue-green", min_requests=20)) as world:
        assert await world.many(40) == {"old": 40}
        await world.releases.promote("smart", ANN)
        assert world.release.status == "running"  # watched
        assert await world.many(40) == {"new": 40}
        view = world.releases.show("smart")
        assert (view.candidate.requests, view.baseline.requests) == (40, 40)  # compared with what was before
        world.models["b/new"].error = DOWN
        await world.many(40)
        await world.releases.check()
        assert world.release.status == "rolled-back"
        assert await world.many(10) == {"old": 10}


async def test_flags_give_the_candidate_to_those_they_name(enter):
    async with enter(replace(CANARY, share=0.0)) as world:
        await world.releases.flag("smart", ["user:ann", "team:web", "tag:beta"], ANN)
        assert await world.ask(caller("ann")) == "new"
        assert await world.ask(caller("bob", team="web")) == "new"
        assert await world.ask(caller("bob", tags=("beta",))) == "new"
        assert await world.ask(caller("bob")) == "old"
        await world.releases.flag("smart", [], ANN)
        assert await world.ask(caller("ann")) == "old"


async def no_shadows(world):
    while world.releases.show("smart").shadows_in_flight:
        await asyncio.sleep(0.005)


async def test_a_shadow_is_asked_and_recorded_but_never_shown_nor_waited_for(enter):
    async with enter(replace(CANARY, kind="shadow", share=1.0)) as world:
        gate = world.models["b/new"].gate = asyncio.Event()
        assert Counter([await world.ask() for _ in range(20)]) == {"old": 20}
        gate.set()
        await no_shadows(world)
        view = world.releases.show("smart")
        assert view.candidate.requests == 8  # so many at once; the others were skipped, not queued
        assert (view.shadows_skipped, view.shadows_in_flight) == (12, 0)
        request, who = world.shadowed[0]
        assert (request.model, who.route, who.key) == ("b/new", "shadow", None)
        assert "shadow-of:tr_1" in who.tags
        world.models["b/new"].error = DOWN
        await world.ask()
        await no_shadows(world)
        answers = await world.releases.shadows("smart")
        assert Counter(answer.status for answer in answers) == {"ok": 8, "error": 1}
        assert answers[-1].text == "b/new says hello"
        assert answers[0].error == "500 from upstream."


@pytest.mark.parametrize("stream", [True, False])
async def test_a_shadow_is_asked_as_the_caller_asks_and_answers_by_itself(enter, stream):
    """Else its times were those of whole answers, or of cached ones, beside the baseline's first tokens."""
    async with enter(replace(CANARY, kind="shadow", share=1.0)) as world:
        await world.ask(stream=stream)
        await no_shadows(world)
        ((request, who),) = world.shadowed
        assert (request.stream, who.cache) == (stream, "off")


async def test_what_users_think_counts_once_each(enter):
    async with enter(replace(CANARY, share=0.5)) as world:
        feedback = Feedback(world.database, world.releases.judge)
        for score in (0.0, 1.0):
            await feedback.give(ANN, "tr_1", score=score, comment=None, alias="smart", variant="new")
        await feedback.give(caller("bob"), "tr_1", score=0.5, comment="Meh", alias="smart", variant="new")
        await feedback.give(caller("bob"), "tr_2", score=1.0, comment=None, alias="smart", variant="old")
        view = world.releases.show("smart")
        assert (view.candidate.scores, view.candidate.score) == (2, 1.5)
        assert (view.baseline.scores, view.baseline.score) == (1, 1.0)


async def test_an_answer_from_before_the_release_says_nothing_about_it(enter):
    async with enter(replace(CANARY, share=0.5)) as world:
        feedback = Feedback(world.database, world.releases.judge)
        began = world.release.started_at
        for trace, at in (("tr_1", began - 1), ("tr_2", began + 1)):
            await feedback.give(ANN, trace, score=1.0, comment=None, alias="smart", variant="new", answered_at=at)
        assert world.releases.show("smart").candidate.scores == 1


# --------------------------------------------------------------------------- several servers on one database


@pytest.fixture
async def pair(enter, monkeypatch):
    """Two servers on one database that look at it when the test says so."""
    monkeypatch.setattr("guru.gateway.releases.releases.CHECK", 1e9)
    async with contextlib.AsyncExitStack() as stack:

        async def pair(release=CANARY, **deployment):
            return [await stack.enter_async_context(enter(release, **deployment)) for _ in range(2)]

        yield pair


async def test_two_servers_that_start_at_once_begin_one_release(enter, monkeypatch):
    monkeypatch.setattr("guru.gateway.releases.releases.CHECK", 1e9)
    for start in range(3):
        worlds = [enter(replace(CANARY, share=0.1 * (start + 1))) for _ in range(3)]
        await asyncio.gather(*(world.__aenter__() for world in worlds))
        assert len({world.release.id for world in worlds}) == 1
        history = await worlds[0].releases.history("smart")
        assert [change.action for _, change in history].count("start") == start + 1
        await asyncio.gather(*(world.__aexit__() for world in worlds))


async def test_everyone_gets_the_same_version_on_every_server(pair):
    one, two = await pair(replace(CANARY, share=0.5))
    for n in range(60):
        assert await one.ask(caller(f"user{n}")) == await two.ask(caller(f"user{n}"))


async def test_what_servers_count_adds_up(pair):
    one, two = await pair(replace(CANARY, share=0.5))
    for turn in range(1, 4):
        for world in (one, two):
            world.models["b/new"].error = DOWN if turn == 3 and world is two else None
            await world.many(50)
        await asyncio.gather(one.releases.check(), two.releases.check())
        await one.releases.check()
        views = [one.releases.show("smart")]
        await two.releases.check()
        views.append(two.releases.show("smart"))
        assert views[0].candidate == views[1].candidate
        assert sum(side.requests for side in (views[0].candidate, views[0].baseline)) == 100 * turn
    assert views[0].candidate.errors * 6 == views[0].candidate.requests


async def test_counts_that_could_not_be_written_are_written_later(pair):
    one, two = await pair(replace(CANARY, share=0.5))
    await one.many(50)
    write, one.database.write = one.database.write, fail
    with pytest.raises(OSError, match="disk"):
        await one.releases.check()
    await one.many(50)
    one.database.write = write
    await one.releases.check()
    await two.releases.check()
    view = two.releases.show("smart")
    assert view.candidate.requests + view.baseline.requests == 100


async def fail(_):
    raise OSError("The disk is full.")


async def test_what_is_decided_on_one_server_holds_on_the_other_and_is_decided_once(pair):
    one, two = await pair(replace(CANARY, share=0.5))
    for world in (one, two):
        world.models["b/new"].error = DOWN
        await world.many(100)
        await world.releases._register.flush()
    await asyncio.gather(one.releases.check(), two.releases.check())
    for world in (one, two):  # whoever was second has not seen yet who was first
        await world.releases.check()
    assert [world.release.status for world in (one, two)] == ["rolled-back"] * 2
    assert await two.many(20) == {"old": 20}
    actions = [change.action for _, change in await one.releases.history("smart")]
    assert actions == ["rollback", "start"]
    audited = one.audited + two.audited
    assert audited.count(("guru", "releases.rollback", "smart")) == 1


async def test_what_people_do_on_one_server_holds_on_the_other(pair):
    one, two = await pair(None)
    await one.releases.start("smart", CANARY, ANN)
    await two.releases.share("smart", 1.0, ANN)  # it looks before it acts
    await one.releases.check()
    assert await one.many(10) == await two.many(10) == {"new": 10}
    await one.releases.rollback("smart", ANN, "No.")
    await two.releases.check()
    assert await two.many(10) == {"old": 10}
    await two.releases.promote("smart", ANN)
    await one.releases.stop("smart", ANN)
    await two.releases.check()
    assert Counter([await two.ask() for _ in range(10)]) == {"old": 5, "new": 5}
    assert [change.action for _, change in await two.releases.history("smart")] == [
        "stop", "promote", "rollback", "share", "start",
    ]  # fmt: skip


async def test_of_two_changes_at_once_one_is_made_and_the_other_told(pair):
    one, two = await pair()
    results = await asyncio.gather(
        *(world.releases.share("smart", share, ANN) for share in (0.3, 0.6, 0.9) for world in (one, two)),
        return_exceptions=True,
    )
    made = [result for result in results if not isinstance(result, Exception)]
    assert {type(result) for result in results if isinstance(result, Exception)} <= {Conflict}
    shares = [change for _, change in await one.releases.history("smart") if change.action == "share"]
    assert made
    assert len(shares) == len(made)
    assert max(change.after["epoch"] for change in shares) == 1 + len(
        {change.at for change in shares if change.before["share"] != change.after["share"]}
    )


async def test_a_server_with_the_old_configuration_leaves_the_new_version_to_the_others(enter, monkeypatch):
    monkeypatch.setattr("guru.gateway.releases.releases.CHECK", 1e9)
    async with enter(CANARY) as old, enter(CANARY, region="eu") as new:
        await old.releases.check()
        assert (old.release.version, old.releases.show("smart").active) == (2, False)
        assert Counter([await old.ask() for _ in range(10)]) == {"old": 5, "new": 5}  # by the weights
        await new.many(50)
        await asyncio.gather(old.releases.check(), new.releases.check())
        view = new.releases.show("smart")
        assert view.candidate.requests + view.baseline.requests == 50
        await old.releases.apply(new.settings)  # its turn has come
        assert old.releases.show("smart").active
        assert old.release.id == new.release.id


async def test_a_clock_that_is_set_back_makes_no_older_release_the_newest(enter, monkeypatch):
    async with enter() as world:
        await world.releases.start("smart", CANARY, ANN)
        monkeypatch.setattr("guru.gateway.releases.register.time.time", lambda: 1000.0)
        await world.releases.start("smart", replace(CANARY, share=0.5), ANN)
        await world.releases.share("smart", 0.7, ANN)
    async with enter() as world:
        assert (world.release.status, world.release.share) == ("running", 0.7)
        actions = [change.action for _, change in await world.releases.history("smart")]
        assert actions == ["share", "start", "stop", "start"]


async def test_a_flag_names_nobody_who_has_no_name(enter):
    async with enter(replace(CANARY, share=0.0)) as world:
        await world.releases.flag("smart", ["user:None", "team:None"], ANN)
        assert await world.ask(caller(None)) == "old"


@pytest.mark.parametrize("baseline", ["new", "nobody"])
async def test_a_baseline_that_nobody_could_be_given_is_refused(enter, baseline, caplog):
    async with enter() as world:
        with pytest.raises(InvalidParameter, match="no other deployment"):
            await world.releases.start("smart", replace(CANARY, baseline=baseline), ANN)
        await world.releases.apply(settings_of(replace(CANARY, baseline=baseline)))
        assert "was not started" in caplog.text
        assert await world.many(10)


async def test_mistakes_are_told(enter):
    async with enter() as world:
        with pytest.raises(NotFound):
            await world.releases.start("smrt", CANARY, ANN)
        with pytest.raises(InvalidParameter, match="label 'newer'"):
            await world.releases.start("smart", replace(CANARY, candidate="newer"), ANN)
        with pytest.raises(NotFound, match="There was no release"):
            await world.releases.promote("smart", ANN)
