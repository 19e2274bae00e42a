"""Who a request comes from, and what they may do."""

import asyncio
import time

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from guru.config import BudgetSettings, KeySettings, LimitSettings, ServerSettings, Settings, TeamSettings
from guru.errors import ConfigurationError, Conflict, Forbidden, InvalidParameter, NotFound, Unauthorized
from guru.gateway.identity import Audit
from guru.gateway.identity.records import Key, Team, User, matches
from guru.store.tables import api_keys


def wanted(name="web", **values):
    return Key(id="", tenant="", hash=b"", name=name, **values)


async def make(place, name="web", **values):
    return await place.changes.create_key(place.owner, wanted(name, **values))


@pytest.mark.parametrize("header", ["authorization", "x_api_key", "api_key"])
async def test_a_key_is_known_in_every_header_that_clients_use(place, header):
    key, secret = await make(place, role="viewer", tags=["blue"])
    sent = f"bearer {secret}" if header == "authorization" else secret
    caller = place.call(**{header: sent, "x_guru_tags": "green, ,red"})
    assert (caller.tenant, caller.key, caller.role) == ("local", key.id, "viewer")
    assert caller.tags == ("blue", "green", "red")
    assert not caller.owner


async def test_only_the_hash_of_a_key_is_kept(place):
    _, secret = await make(place)
    rows = await place.database.read(lambda c: c.execute(select(api_keys)).all())
    assert secret not in repr(rows)
    assert secret not in repr(place.directory.keys("local"))


async def test_without_a_key_only_the_owner_of_this_machine_is_served(place):
    assert place.call(trusted_local=True).owner
    with pytest.raises(Unauthorized, match="needs an API key") as refused:
        place.call()
    assert "guru keys create" in refused.value.hint


async def test_a_placeholder_is_taken_on_this_machine_and_a_wrong_key_never(place):
    assert place.call("none", trusted_local=True).owner
    assert place.call("sk-1234", trusted_local=True).owner
    for trusted in (True, False):
        with pytest.raises(Unauthorized, match="not known"):
            place.call("sk-guru-" + "x" * 43, trusted_local=trusted)
    with pytest.raises(Unauthorized):
        place.call("none")


async def test_where_there_have_been_keys_one_that_was_taken_away_is_no_placeholder(place):
    long, short = "a-key-of-our-own-0123456789", "tiny"
    assert place.call(long, trusted_local=True).owner  # a fresh machine: nobody has a key yet
    place.directory.configure(Settings(keys={"a": KeySettings(key=long), "b": KeySettings(key=short)}))
    assert place.call(long, trusted_local=True).key
    place.directory.configure(Settings())
    for taken in (long, short):
        with pytest.raises(Unauthorized, match="not known"):
            place.call(taken, trusted_local=True)
    assert place.call("not-needed-on-this-machine", trusted_local=True).owner


async def test_a_key_is_a_key_also_where_none_is_needed(place):
    key, secret = await make(place)
    assert place.call(secret, trusted_local=True).key == key.id


async def test_a_revoked_key_opens_nothing(place):
    key, secret = await make(place)
    await place.changes.revoke_key(place.owner, key.id)
    for trusted in (True, False):
        with pytest.raises(Unauthorized, match="revoked"):
            place.call(secret, trusted_local=trusted)
    with pytest.raises(Conflict, match="is revoked"):
        await place.changes.change_key(place.owner, key.id, role="admin")


async def test_a_key_expires(open_place):
    ahead = 0.0
    place = await open_place(now=lambda: time.time() + ahead)
    _, secret = await make(place, expires_at=time.time() + 60)
    place.call(secret)
    ahead = 61.0
    with pytest.raises(Unauthorized, match="expired"):
        place.call(secret)


async def test_after_a_rotation_both_keys_open_for_a_while(open_place):
    ahead = 0.0
    place = await open_place(now=lambda: time.time() + ahead)
    key, old = await make(place)
    _, new = await place.changes.rotate_key(place.owner, "web", 60)
    assert place.call(old).key == place.call(new).key == key.id
    ahead = 61.0
    assert place.call(new).key == key.id
    with pytest.raises(Unauthorized, match="replaced"):
        place.call(old)


async def test_a_key_revoked_after_a_rotation_leaves_no_old_one_behind(place):
    _, old = await make(place)
    await place.changes.rotate_key(place.owner, "web", 3600)
    await place.changes.revoke_key(place.owner, "web")
    with pytest.raises(Unauthorized):
        place.call(old)


async def test_a_key_may_use_its_doors_and_its_models(place):
    _, secret = await make(place, routes=["chat.*", "models"], models=["openai/*", "smart"])
    caller = place.call(secret, "chat.completions")
    place.directory.allow(caller, "openai/gpt-4o")
    place.directory.allow(caller, "smart")
    for model in ("anthropic/claude", "smarter", "xopenai/gpt"):
        with pytest.raises(Forbidden, match="may not use the model"):
            place.directory.allow(caller, model)
    with pytest.raises(Forbidden, match="may not use embeddings"):
        place.call(secret, "embeddings")


async def test_the_models_of_a_team_hold_for_its_keys(place):
    await place.changes.create_team(place.owner, Team(tenant="", name="web", models=["small"]))
    _, secret = await make(place, team="web")
    caller = place.call(secret)
    assert place.directory.allows(caller, "small")
    assert not place.directory.allows(caller, "large")
    assert place.directory.allows(place.call(trusted_local=True), "large")


async def test_a_key_of_a_user_is_no_more_than_the_user(place):
    await place.changes.create_team(place.owner, Team(tenant="", name="web"))
    await place.changes.create_user(place.owner, User(tenant="", name="ada", role="viewer", team="web"))
    _, secret = await make(place, role="admin", user="ada")
    caller = place.call(secret)
    assert (caller.user, caller.role, caller.team) == ("ada", "viewer", "web")
    await place.changes.change_user(place.owner, "ada", disabled=True)
    with pytest.raises(Unauthorized, match="ada is disabled"):
        place.call(secret)


async def test_keys_and_teams_of_the_configuration_are_known_and_not_changed_here(open_place):
    settings = Settings(
        keys={"web": KeySettings(key="secret", team="web", limits=LimitSettings(rpm=5))},
        teams={"web": TeamSettings(budget=BudgetSettings(usd=1.0))},
    )
    place = await open_place(settings)
    caller = place.call("secret")
    assert (caller.key, caller.team, caller.role) == ("config:web", "web", "member")
    assert {one[:3] for one in place.directory.limited()} == {("key", "local", "config:web"), ("team", "local", "web")}
    for change in (
        place.changes.revoke_key(place.owner, "web"),
        place.changes.rotate_key(place.owner, "web", 0),
        place.changes.change_team(place.owner, "web", models=[]),
        place.changes.delete_team(place.owner, "web"),
    ):
        with pytest.raises(Conflict, match="configuration"):
            await change
    place.directory.configure(Settings())
    with pytest.raises(Unauthorized):
        place.call("secret")


async def test_an_empty_key_in_the_configuration_is_refused(open_place):
    with pytest.raises(ConfigurationError, match="is empty"):
        await open_place(Settings(keys={"web": KeySettings(key=" ")}))


async def test_what_another_process_changes_is_seen_within_a_second(open_place):
    one, two = await open_place(), await open_place()
    key, secret = await make(one)
    await eventually(lambda: two.call(secret).key == key.id)
    await two.changes.revoke_key(two.owner, key.id)
    await eventually(lambda: not opens(one, secret))


async def test_of_two_changes_at_once_neither_undoes_the_other(open_place):
    one, two = await open_place(), await open_place()
    for place in (one, two):  # neither sees what the other does, as within the half second between two looks
        place.directory._poller.cancel()
    key, secret = await make(one)
    await two.directory.reload()
    await one.changes.revoke_key(one.owner, key.id)
    with pytest.raises(Conflict, match="revoked"):
        await two.changes.change_key(two.owner, key.id, tags=["late"])
    await two.directory.reload()
    assert not opens(two, secret)

    other, _ = await make(one, "other")
    changes = ({"tags": ["x"]}, {"models": ["smart"]}, {"limits": LimitSettings(rpm=5)}, {"role": "viewer"})
    await asyncio.gather(
        *(
            place.changes.change_key(place.owner, other.id, **change)
            for place, change in zip([one, two] * 2, changes, strict=True)
        )
    )
    await one.directory.reload()
    found = one.changes.find_key("local", other.id)
    assert (found.tags, found.models, found.limits, found.role) == (["x"], ["smart"], LimitSettings(rpm=5), "viewer")
    verified = await Audit(one.database).verify("local")
    assert (verified.ok, verified.entries) == (True, 7)


async def test_two_servers_cannot_make_the_same_thing_nor_use_what_the_other_deletes(open_place):
    places = [await open_place(), await open_place()]
    for place in places:
        place.directory._poller.cancel()
    both = await asyncio.gather(*(make(place, "same") for place in places), return_exceptions=True)
    assert sorted(type(result).__name__ for result in both) == ["Conflict", "tuple"]
    one, two = places
    await one.changes.create_team(one.owner, Team(tenant="", name="web"))
    await make(two, "theirs", team="web")  # `two` has not looked since
    with pytest.raises(Conflict, match="in use by theirs"):
        await one.changes.delete_team(one.owner, "web")


async def eventually(true):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if true():
                return
        except Unauthorized:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("not seen")


def opens(place, secret):
    try:
        place.call(secret)
    except Unauthorized:
        return False
    return True


async def test_when_a_key_was_used_is_kept(open_place):
    place = await open_place()
    key, secret = await make(place)
    assert place.directory.last_used(key) is None
    place.call(secret)
    assert time.time() - place.directory.last_used(key) < 60
    await place.directory.close()
    (again,) = (await open_place()).directory.keys("local")
    assert time.time() - again.last_used_at < 60


async def test_the_owners_secret_makes_the_owner(open_place):
    place = await open_place(owner_secret="s3cret")
    assert place.call(x_guru_owner="s3cret").owner
    for wrong in ("", "x", "s3cret "):
        with pytest.raises(Unauthorized, match="owner's secret"):
            place.call(x_guru_owner=wrong)
    without = await open_place()
    with pytest.raises(Unauthorized):
        without.call(x_guru_owner="")


async def test_a_session_opens_until_its_key_does_not(place):
    key, secret = await make(place)
    cookie = place.directory.log_in(secret)
    assert secret not in cookie
    assert place.call(cookie=f"other=1; guru_session={cookie}").key == key.id
    await place.changes.revoke_key(place.owner, key.id)
    with pytest.raises(Unauthorized):
        place.call(cookie=f"guru_session={cookie}")


async def test_a_replaced_key_makes_no_session_that_outlives_it(place):
    _, secret = await make(place)
    _, second = await place.changes.rotate_key(place.owner, "web", 60)
    assert place.call(secret)
    with pytest.raises(Unauthorized, match="replaced"):
        place.directory.log_in(secret)
    assert place.directory.log_in(f" {second}\n")


async def test_a_key_that_may_do_little_hands_out_no_more(place):
    mine, _ = await make(place, "mine", role="admin", routes=["keys", "chat.*"], models=["*"])
    wide, _ = await make(place, "wide", role="admin")
    narrow = replace(place.owner, owner=False, key=mine.id)
    for attempt in (
        place.changes.create_key(narrow, wanted("new")),
        place.changes.create_key(narrow, wanted("new", routes=["chat.completions", "traces"])),
        place.changes.change_key(narrow, "mine", routes=["*"]),
        place.changes.change_key(narrow, "wide", role="viewer"),
        place.changes.rotate_key(narrow, "wide", 0),
    ):
        with pytest.raises(Forbidden, match="Your key may use few routes"):
            await attempt
    assert (await place.changes.create_key(narrow, wanted("new", routes=["chat.*"], models=["smart"])))[0].role
    assert (await place.changes.revoke_key(narrow, wide.id)).revoked_at


async def test_work_that_was_handed_in_ends_when_its_key_may_do_less(place):
    await place.changes.create_user(place.owner, User(tenant="", name="ada"))
    key, secret = await make(place, user="ada")
    caller = place.call(secret)
    place.directory.check(caller, "chat.completions")
    await place.changes.change_user(place.owner, "ada", role="viewer")
    with pytest.raises(Forbidden, match="may do less"):
        place.directory.check(caller, "chat.completions")
    await place.changes.change_user(place.owner, "ada", role="admin")
    place.directory.check(caller, "chat.completions")
    await place.changes.revoke_key(place.owner, key.id)
    with pytest.raises(Unauthorized):
        place.directory.check(caller, "chat.completions")


async def test_work_that_was_handed_in_goes_on_in_the_team_that_its_key_is_of_now(place):
    for team in ("web", "legal"):
        await place.changes.create_team(place.owner, Team(tenant="", name=team))
    await place.changes.create_user(place.owner, User(tenant="", name="ada", team="legal"))
    key, secret = await make(place, team="web", user="ada")
    caller = place.call(secret)
    assert (caller.team, caller.visible.teams) == ("web", ("team:web",))
    await place.changes.change_key(place.owner, key.id, team=None)
    assert place.directory.renewed(caller).visible.teams == ("team:legal",)
    await place.changes.change_user(place.owner, "ada", team=None)
    assert place.directory.renewed(caller).visible.teams == ()
    assert place.directory.renewed(place.owner) == place.owner


@pytest.mark.parametrize("cookie", ["guru_session=", "guru_session=a.b", "guru_session", 'guru_session="', "x"])
async def test_a_cookie_that_is_none_opens_nothing(place, cookie):
    with pytest.raises(Unauthorized):
        place.call(cookie=cookie)


async def test_organisations_do_not_see_each_other(place):
    other = type(place.owner)(tenant="acme", route="admin", trace_id="tr", role="admin", key="k")
    await place.changes.create_key(other, wanted("web"))
    await make(place)
    await place.changes.create_team(other, Team(tenant="", name="web"))
    assert [key.tenant for key in place.directory.keys("acme")] == ["acme"]
    theirs = place.directory.keys("acme")[0].id
    with pytest.raises(NotFound):
        await place.changes.revoke_key(place.owner, theirs)
    with pytest.raises(NotFound):
        await make(place, "second", team="web")
    assert place.directory.teams("local") == []


async def test_names_are_checked_and_taken_once(place):
    await make(place)
    with pytest.raises(Conflict, match="already"):
        await make(place)
    for name in ("", " web", "we\nb", "x" * 65, "<script>"):
        with pytest.raises(InvalidParameter, match="not a name"):
            await make(place, name)
    with pytest.raises(NotFound, match="no team 'web'"):
        await make(place, "second", team="web")
    with pytest.raises(NotFound, match="no user 'ada'"):
        await make(place, "second", user="ada")


async def test_a_team_in_use_stays(place):
    await place.changes.create_team(place.owner, Team(tenant="", name="web"))
    await make(place, team="web")
    with pytest.raises(Conflict, match="in use by web"):
        await place.changes.delete_team(place.owner, "web")
    await place.changes.revoke_key(place.owner, "web")
    await place.changes.delete_team(place.owner, "web")
    assert place.directory.teams("local") == []


async def test_who_limits_is_told_of_every_change(place):
    seen = []
    place.directory.on_change.append(lambda: seen.append(len(place.directory.limited())))
    await make(place, limits=LimitSettings(rpm=1))
    await make(place, "second")
    assert seen == [1, 1]


def test_patterns_match_whole_names():
    assert matches(["*"], "anything")
    assert matches(["openai/*", "smart"], "openai/gpt-4o")
    assert not matches(["openai/*", "smart"], "smartest")
    assert not matches([], "smart")


async def test_an_open_address_needs_keys(open_place):
    for server, needed in [
        (ServerSettings(), False),
        (ServerSettings(host="::1"), False),
        (ServerSettings(require_key=True), True),
        (ServerSettings(host="0.0.0.0"), True),
        (ServerSettings(host="guru.example"), True),
    ]:
        assert (await open_place(Settings(server=server))).directory.needs_key is needed
