"""How keys look, and what a cookie is worth."""

import time

from guru.gateway.identity import sessions as module
from guru.gateway.identity.secrets import DIGITS, hash_key, new_key, shown
from guru.gateway.identity.sessions import Sessions, encode


def test_a_key_is_32_random_bytes_in_base_62():
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert key.startswith("sk-guru-")
        digits = key.removeprefix("sk-guru-")
        assert len(digits) == 43
        value = 0
        for digit in digits:
            value = value * 62 + DIGITS.index(digit)
        assert value < 2**256


def test_a_list_shows_enough_to_tell_keys_apart_and_too_little_to_call_with():
    key = new_key()
    assert shown(key) == key[:12] + "…"
    assert shown("a secret of the configuration") == "…"


def test_a_session_stands_for_its_key_alone():
    sessions, one, other = Sessions(b"s" * 32), hash_key("one"), hash_key("other")
    cookie = sessions.issue("key_1", one)
    assert sessions.key_id(cookie) == "key_1"
    assert sessions.valid(cookie, one)
    assert not sessions.valid(cookie, other)  # rotated
    assert not Sessions(b"t" * 32).valid(cookie, one)  # another home


def test_a_session_that_was_tampered_with_is_worth_nothing():
    sessions, hashed = Sessions(b"s" * 32), hash_key("one")
    claim, _, signature = sessions.issue("key_1", hashed).partition(".")
    later = encode(f"{int(time.time()) + 10**9}.key_1".encode())
    assert not sessions.valid(f"{later}.{signature}", hashed)
    for broken in ("", ".", "a", "a.b", f"{claim}.", f"{claim}.ä", f".{signature}"):
        assert not sessions.valid(broken, hashed)
        assert broken.startswith(claim) or sessions.key_id(broken) is None


def test_a_session_ends(monkeypatch):
    monkeypatch.setattr(module, "LIFETIME", -1)
    sessions = Sessions(b"s" * 32)
    assert sessions.key_id(sessions.issue("key_1", b"hash")) is None


def test_the_secret_of_a_home_stays_and_is_its_owners(tmp_path):
    first, second = Sessions.in_home(tmp_path / "home"), Sessions.in_home(tmp_path / "home")
    assert second.valid(first.issue("key_1", b"hash"), b"hash")
    assert (tmp_path / "home" / "session.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["session.key"]
