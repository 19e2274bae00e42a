"""Versions of a prompt on trial: who gets which, what is counted, and where the label goes."""

import asyncio
from collections import Counter

import pytest

from guru.config import ReleaseSettings, Settings
from guru.errors import BadRequest, Conflict, InvalidParameter, ModelUnavailable, NotFound, RateLimited
from guru.gateway import prompting
from guru.gateway.identity import Caller
from guru.gateway.releases import Releases
from guru.observe.spans import CallRecord, Trace
from guru.prompts.files import to_file
from guru.prompts.library import Editor, Library
from guru.types import ChatRequest, Completed, Grounding, Usage
from scripted import WordEmbedder

ANN = Caller(tenant="local", route="releases", trace_id="tr_0", user="ann", role="admin")
HALF = ReleaseSettings(candidate="2", kind="ab", share=0.5, min_requests=10)


def definition(content, *names):
    plain = {"messages": [{"role": "user", "content": content}], "variables": {name: {} for name in names}}
    return to_file(plain).definition()


class World:
    """The parts of one server on a database that others may share."""

    def __init__(self, database):
        self.database = database
        self.audited, self.shadowed = [], []
        self.library = Library(database, WordEmbedder(), protected=frozenset({"prod"}))
        self.prompts = self.library.of("local")
        self.releases = Releases(
            database, Settings(), ask=self.mirrored, audit=self.audit, prompts=self.library
        )  # fmt: skip

    def audit(self, connection, who, action, subject, *, before=None, after=None):
        self.audited.append((who.user, action, subject))

    async def mirrored(self, request, who):
        self.shadowed.append((request, who))
        yield Completed(model="m", usage=Usage(1, 1), cost=0.001)

    def editor(self):
        return Editor("ben", lambda *args, **more: None, admin=True)

    async def save(self, content, *names, label=None):
        saved = await self.prompts.save("support", definition(content, *names), self.editor())
        if label is not None:
            await self.prompts.label("support", label, saved.version, self.editor())

    async def start(self, settings=HALF, alias="support@prod"):
        return (await self.releases.start(alias, settings, ANN)).release

    async def ask(
        self, user="ann", *, tenant="local", reference="support@prod", error=None, error_of=None, cost=0.001,
        cache="miss", **variables,
    ):  # fmt: skip
        """A request as the road has it: filled in, then ended; `error_of` has the errors of versions."""
        caller = Caller(tenant=tenant, route="chat", trace_id="tr_1", user=user)
        request = ChatRequest(model="m", messages=[], guru=Grounding(prompt=reference, variables=variables))
        trace = Trace(id="tr_1", tenant=tenant, route="chat")
        filled = await prompting.fill_in(self.library, self.releases, request, caller, trace)
        if filled.ended is not None:
            trace.first_token, trace.cache = 0.1, cache
            trace.add(CallRecord(model="m", cost=cost))
            filled.ended((error_of or {}).get(filled.prompt.version, error), trace.record())
        return filled.prompt

    async def many(self, count=100, **options):
        return Counter([(await self.ask(f"user{n}", **options)).version for n in range(count)])

    async def label(self):
        return (await self.prompts.show("support")).prompt.labels.get("prod")


@pytest.fixture
async def enter(stores, tmp_path):
    """`await enter()`: the parts of a server; of another one on the same database, when it is called again."""
    opened = []

    async def enter():
        database = stores.database(tmp_path)
        await database.open()
        world = World(database)
        opened.append(world)
        await world.releases.open()
        return world

    yield enter
    for world in opened:
        await world.releases.close()
        await world.database.close()


@pytest.fixture
async def world(enter):
    world = await enter()
    await world.save("One", label="prod")
    await world.save("Two")
    return world


async def test_a_share_gets_the_other_version_and_everyone_keeps_theirs(world):
    release = await world.start()
    assert (release.settings.candidate, release.settings.baseline, release.version) == ("support@2", "support@1", 2)
    first = {f"user{n}": (await world.ask(f"user{n}")).id for n in range(60)}
    assert 15 < Counter(first.values())["support@2"] < 45
    assert {user: (await world.ask(user)).id for user in first} == first
    prompt = await world.ask()
    assert (prompt.label, prompt.messages[0].text) == ("prod", {1: "One", 2: "Two"}[prompt.version])
    view = world.releases.show("support@prod")
    assert view.candidate.requests + view.baseline.requests == 121
    assert view.candidate.dollars == pytest.approx(view.candidate.requests * 0.001)
    assert await world.many(5, reference="support@1") == {1: 5}  # who names a version gets that
    assert await world.many(5, reference="support") == {2: 5}


async def test_promotion_moves_the_label_and_rollback_takes_it_back(world):
    await world.start()
    await world.releases.promote("support@prod", ANN)
    assert (await world.label(), await world.many(5)) == (2, {2: 5})
    await world.releases.check()
    assert world.releases.show("support@prod").release.status == "promoted"
    await world.releases.rollback("support@prod", ANN, "Users complain.")
    assert (await world.label(), await world.many(5)) == (1, {1: 5})
    await world.releases.promote("support@prod", ANN)
    assert await world.label() == 2
    assert [entry for entry in world.audited if entry[1] == "prompts.label"] == [
        ("ann", "prompts.label", "support@prod")
    ] * 3  # fmt: skip
    moves = (await world.prompts.show("support")).moves
    assert [(move.before, move.after, move.author) for move in moves[:3]] == [
        (1, 2, "ann"),
        (2, 1, "ann"),
        (1, 2, "ann"),
    ]
    assert [change.action for _, change in await world.releases.history("support@prod")] == [
        "promote", "rollback", "promote", "start",
    ]  # fmt: skip


async def test_blue_green_gives_it_to_everybody_watched_before_the_label_moves(world):
    await world.start(ReleaseSettings(candidate="support@2", kind="blue-green"))
    assert await world.many(5) == {1: 5}
    await world.releases.promote("support@prod", ANN)
    assert (await world.many(5), await world.label()) == ({2: 5}, 1)
    await world.releases.rollback("support@prod", ANN)
    assert (await world.many(5), await world.label()) == ({1: 5}, 1)


async def test_a_worse_version_is_rolled_back_and_a_good_one_promoted_by_itself(world):
    await world.start()
    for n in range(150):
        await world.ask(f"user{n}", error_of={2: ModelUnavailable("500")})
    await world.releases.check()
    release = world.releases.show("support@prod").release
    assert (release.status, await world.label()) == ("rolled-back", 1)
    assert "errors" in release.reason
    await world.start(ReleaseSettings(candidate="2", share=0.5, steps=[0.5, 1.0], min_requests=20))
    await world.many(80)
    await world.releases.check()
    assert (world.releases.show("support@prod").release.status, await world.label()) == ("promoted", 2)
    assert (await world.prompts.show("support")).moves[0].author == "guru"


async def test_what_the_prompt_has_no_part_in_does_not_count(world):
    await world.start(ReleaseSettings(candidate="2", share=1.0, kind="ab"))
    for error in (RateLimited("Too fast."), BadRequest("No."), asyncio.CancelledError(), GeneratorExit()):
        await world.ask(error=error)
    await world.ask(cache="exact")
    assert world.releases.show("support@prod").candidate.requests == 0
    await world.ask(error=ModelUnavailable("500"))
    await world.ask(cost=None)
    found = world.releases.show("support@prod").candidate
    assert (found.requests, found.errors, found.timed, found.paid) == (2, 1, 1, 0)


async def test_a_version_that_cannot_be_filled_in_costs_nobody_an_answer(world):
    await world.save("Three {{ more }}", "more")
    await world.start(ReleaseSettings(candidate="3", share=1.0, kind="ab"))
    assert (await world.ask()).version == 1
    view = world.releases.show("support@prod")
    assert (view.candidate.requests, view.candidate.errors, view.baseline.requests) == (1, 1, 0)
    with pytest.raises(InvalidParameter, match="no variable"):
        await world.ask(unknown="x")  # neither can
    assert world.releases.show("support@prod").candidate.errors == 2


async def test_whoever_moves_the_label_beside_it_ends_the_release(world):
    await world.start(ReleaseSettings(candidate="2", share=1.0, kind="ab"))
    await world.save("Three", label="prod")
    await world.releases.check()
    release = world.releases.show("support@prod").release
    assert (release.status, release.reason) == ("stopped", "support@prod was moved.")
    assert await world.many(5) == {3: 5}
    with pytest.raises(Conflict):
        await world.releases.promote("support@prod", ANN)
    await world.start()
    await world.prompts.delete("support", world.editor())
    await world.releases.check()
    assert world.releases.show("support@prod").release.status == "stopped"


async def test_a_label_moved_at_the_same_moment_is_not_moved_again(world, monkeypatch):
    await world.start()
    await world.save("Three")

    async def move():  # after the release has looked where the label stands, and before it moves it
        await world.prompts.label("support", "prod", 3, world.editor())

    monkeypatch.setattr(world.releases._register, "_let_go", move)
    with pytest.raises(Conflict, match="changed by somebody else"):
        await world.releases.promote("support@prod", ANN)
    assert (world.releases.show("support@prod").release.status, await world.label()) == ("running", 3)


async def test_a_shadow_is_asked_with_the_other_version(world):
    await world.start(ReleaseSettings(candidate="2", kind="shadow", share=1.0))
    assert (await world.ask()).version == 1
    while world.releases.show("support@prod").shadows_in_flight:
        await asyncio.sleep(0.005)
    ((request, who),) = world.shadowed
    assert (request.model, request.guru.prompt, who.route) == ("m", "support@2", "shadow")
    view = world.releases.show("support@prod")
    assert (view.candidate.requests, view.baseline.requests) == (1, 1)


async def test_another_organisation_has_its_own_prompts(world):
    theirs = world.library.of("acme")
    await theirs.save("support", definition("Theirs"), world.editor())
    await theirs.label("support", "prod", 1, world.editor())
    await world.start(ReleaseSettings(candidate="2", kind="ab", share=1.0))
    prompt = await world.ask(tenant="acme")
    assert (prompt.version, prompt.messages[0].text) == (1, "Theirs")
    assert world.releases.show("support@prod").candidate.requests == 0


async def test_servers_share_a_trial_and_a_restart_keeps_it(world, enter):
    other = await enter()
    await world.start(ReleaseSettings(candidate="2", kind="ab", share=1.0))
    await other.releases.check()
    assert await other.many(5) == {2: 5}
    await other.releases.check()
    await world.releases.check()
    assert world.releases.show("support@prod").candidate.requests == 5
    await other.releases.promote("support@prod", ANN)
    await world.releases.check()
    assert (await world.many(5), await world.label()) == ({2: 5}, 2)
    again = await enter()
    assert again.releases.show("support@prod").release.status == "promoted"


async def test_both_versions_are_shown(world):
    await world.start()
    found = await world.releases.versions("support@prod")
    assert [(each["label"], each["version"]) for each in found] == [("support@1", 1), ("support@2", 2)]
    assert found[1]["definition"]["messages"][0]["content"] == "Two"


MISTAKES = [
    ("support@1", HALF, InvalidParameter, "no label"),
    ("support@latest", HALF, InvalidParameter, "no label"),
    ("support@staging", HALF, NotFound, "no label 'staging'"),
    ("nothing@prod", HALF, NotFound, "nothing"),
    ("support@prod", ReleaseSettings(candidate="9"), NotFound, "no version 9"),
    ("support@prod", ReleaseSettings(candidate="1"), InvalidParameter, "stands for version 1 already"),
    ("support@prod", ReleaseSettings(candidate="other@2"), InvalidParameter, "another prompt"),
    ("support@prod", ReleaseSettings(candidate="2", baseline="2"), InvalidParameter, "The baseline is"),
]


async def test_mistakes_are_told(world):
    for alias, settings, error, message in MISTAKES:
        with pytest.raises(error, match=message):
            await world.start(settings, alias)
    assert world.releases.views() == []
