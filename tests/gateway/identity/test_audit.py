"""The audit log says what happened, and notices when somebody says otherwise."""

import asyncio

import pytest
from sqlalchemy import delete, insert, select, update

from guru.gateway.identity import Audit
from guru.gateway.identity.audit import digest
from guru.gateway.identity.records import Key, Team
from guru.store.tables import audit_entries, audit_heads


@pytest.fixture
async def audit(place):
    audit = Audit(place.database)
    for number in range(1, 6):
        await audit(place.owner, "teams.change", f"team {number}", before={"n": number}, after={"n": number + 1})
    return audit


async def tamper(place, *statements):
    def change(connection):
        for statement in statements:
            connection.execute(statement)

    await place.database.write(change)


def at(number):
    return audit_entries.c.number == number


async def test_a_log_as_it_was_written_holds(audit):
    verified = await audit.verify("local")
    entries = await audit.list("local")
    assert (verified.ok, verified.entries, verified.head) == (True, 5, entries[0].hash)
    assert [entry.subject for entry in entries] == [f"team {number}" for number in (5, 4, 3, 2, 1)]
    assert (entries[0].before, entries[0].after, entries[0].actor) == ({"n": 5}, {"n": 6}, "owner")
    assert [entry.number for entry in await audit.list("local", limit=2, before=3)] == [2, 1]


@pytest.mark.parametrize(
    "values",
    [
        {"actor": "somebody else"}, {"action": "teams.delete"}, {"subject": "team 9"}, {"before": '{"n":9}'},
        {"after": None}, {"at": 0.0}, {"hash": "0" * 64}, {"previous": "0" * 64},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
async def test_a_changed_entry_is_found(place, audit, values):
    await tamper(place, update(audit_entries).where(at(3)).values(values))
    verified = await audit.verify("local")
    assert not verified.ok
    assert verified.number in (3, 4)


@pytest.mark.parametrize("number", [1, 3, 5])
async def test_a_removed_entry_is_found_the_last_one_too(place, audit, number):
    await tamper(place, delete(audit_entries).where(at(number)))
    verified = await audit.verify("local")
    assert (verified.ok, verified.number) == (False, number)


async def test_entries_that_changed_places_are_found(place, audit):
    await tamper(
        place,
        update(audit_entries).where(at(2)).values(number=99),
        update(audit_entries).where(at(3)).values(number=2),
        update(audit_entries).where(at(99)).values(number=3),
    )
    verified = await audit.verify("local")
    assert (verified.ok, verified.number) == (False, 2)


async def test_an_added_entry_is_found(place, audit):
    rows = await place.database.read(lambda c: c.execute(select(audit_entries).where(at(5))).mappings().all())
    row = dict(rows[0]) | {"number": 6, "previous": rows[0]["hash"]}
    await tamper(place, insert(audit_entries).values(row | {"hash": digest(row)}))
    assert not (await audit.verify("local")).ok


async def test_a_log_that_was_emptied_is_found(place, audit):
    await tamper(place, delete(audit_entries))
    assert not (await audit.verify("local")).ok
    await tamper(place, delete(audit_heads))
    noted = "1" * 64
    assert (await audit.verify("local")).ok  # nothing there says that there ever was anything
    assert not (await audit.verify("local", noted)).ok  # but a noted hash does


async def test_a_chain_forged_as_a_whole_is_found_by_a_noted_hash(place, audit):
    noted = (await audit.verify("local")).head
    assert (await audit.verify("local", noted)).ok
    rows = await place.database.read(
        lambda c: c.execute(select(audit_entries).order_by(audit_entries.c.number)).mappings().all()
    )
    previous, forged = "0" * 64, []
    for row in rows:
        new = dict(row) | {"actor": "somebody else", "previous": previous}
        previous = new["hash"] = digest(new)
        forged.append(new)
    await tamper(
        place, delete(audit_entries), insert(audit_entries).values(forged), update(audit_heads).values(hash=previous)
    )
    assert (await audit.verify("local")).ok
    assert not (await audit.verify("local", noted)).ok


async def test_every_change_is_in_the_log_without_secrets(place):
    key, secret = await place.changes.create_key(place.owner, Key(id="", tenant="", hash=b"", name="web"))
    await place.changes.change_key(place.owner, "web", role="viewer")
    _, second = await place.changes.rotate_key(place.owner, "web", 60)
    await place.changes.revoke_key(place.owner, "web")
    await place.changes.create_team(place.owner, Team(tenant="", name="t"))
    await place.changes.delete_team(place.owner, "t")
    entries = (await Audit(place.database).list("local"))[::-1]
    assert [entry.action for entry in entries] == [
        "keys.create", "keys.change", "keys.rotate", "keys.revoke", "teams.create", "teams.delete",
    ]  # fmt: skip
    assert (entries[1].before["role"], entries[1].after["role"]) == ("member", "viewer")
    assert "hash" not in entries[0].after
    for hidden in (secret, second, key.hash.hex()):
        assert hidden not in repr(entries)


async def test_a_change_that_fails_is_not_in_the_log(place):
    key = Key(id="", tenant="", hash=b"", name="web")
    await place.changes.create_key(place.owner, key)
    with pytest.raises(Exception, match="already"):
        await place.changes.create_key(place.owner, key)
    assert len(await Audit(place.database).list("local")) == 1


async def test_many_at_once_make_one_chain(place, open_place):
    logs = [Audit(place.database), Audit((await open_place()).database)]
    await asyncio.gather(*(logs[n % 2](place.owner, "a", str(n)) for n in range(40)))
    verified = await logs[0].verify("local")
    assert (verified.ok, verified.entries) == (True, 40)


async def test_each_organisation_has_a_chain_of_its_own(place, audit):
    other = type(place.owner)(tenant="acme", route="r", trace_id="tr", user="ada", key="key_1")
    await audit(other, "a", "b")
    (entry,) = await audit.list("acme")
    assert (entry.number, entry.actor) == (1, "user ada, key key_1")
    await tamper(place, delete(audit_entries).where(audit_entries.c.tenant == "acme"))
    assert (await audit.verify("local")).ok
    assert not (await audit.verify("acme")).ok
