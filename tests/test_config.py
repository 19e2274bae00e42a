import pytest

from guru.config import load_settings, misnamed_variables, read_settings
from guru.errors import ConfigurationError


def write(tmp_path, text):
    path = tmp_path / "guru.toml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    path = write(tmp_path, '[server]\nport = 1000\nhost = "::1"\n[local]\nthreads = 3\n')
    environ = {"GURU_SERVER_PORT": "2000", "GURU_LOCAL_THREADS": "4"}
    settings = load_settings(path, environ=environ, flags={"server.port": 3000, "server.host": None})
    assert (settings.server.port, settings.server.host, settings.local.threads) == (3000, "::1", 4)


def test_an_unknown_key_names_the_nearest_known_one(tmp_path):
    path = write(tmp_path, "[server]\nprot = 1000\n")
    with pytest.raises(ConfigurationError, match=r"unknown key `prot`.*Did you mean `port`"):
        load_settings(path, environ={})


def test_an_unknown_key_deep_in_an_alias_is_found(tmp_path):
    path = write(tmp_path, '[models.smart]\ndeployments = [{ model = "local/x", wieght = 2 }]\n')
    with pytest.raises(ConfigurationError, match="wieght"):
        load_settings(path, environ={})


@pytest.mark.parametrize("text", ["[server]\nport = 70000", '[local]\nthreads = "many"', "[server\n"])
def test_a_wrong_value_is_explained(tmp_path, text):
    with pytest.raises(ConfigurationError, match=r"guru\.toml is not valid"):
        load_settings(write(tmp_path, text), environ={})


def test_a_value_can_come_from_a_variable(tmp_path):
    path = write(tmp_path, '[hub]\ntoken = "env:MY_TOKEN"')
    assert load_settings(path, environ={"MY_TOKEN": "secret"}).hub.token == "secret"
    with pytest.raises(ConfigurationError, match="MY_TOKEN, which is not set"):
        load_settings(path, environ={})


def test_aliases_name_their_model(tmp_path):
    path = write(tmp_path, '[models.smart]\ndeployments = [{ model = "local/qwen3-8b" }]')
    assert load_settings(path, environ={}).aliases == {"smart": "local/qwen3-8b"}


def test_a_list_is_comma_separated_in_the_environment():
    settings = load_settings(environ={"GURU_SERVER_ALLOWED_HOSTS": "a.example, b.example"})
    assert settings.server.allowed_hosts == ["a.example", "b.example"]


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match="Check --config"):
        load_settings(tmp_path / "absent.toml", environ={})


def test_settings_can_be_printed_without_their_secrets(tmp_path):
    text = """
    [providers.openai]
    api_key = "sk-very-secret"
    headers = { "X-Key" = "very-secret" }
    [keys.ann]
    key = "very-secret"
    [hub]
    token = "very-secret"
    [redis]
    url = "redis://:very-secret@localhost"
    """
    settings = load_settings(write(tmp_path, text), environ={})
    assert "very-secret" not in repr(settings)
    assert "base_url=None" in repr(settings)


def test_everything_that_is_wrong_is_found_at_once(tmp_path):
    text = """
    [server]
    prot = 1
    [providers.openai]
    api_key = "env:NOT_SET"
    [models.smart]
    strategy = "weigthed"
    deployments = [{ model = "a/b", wieght = 2 }]
    """
    settings, problems = read_settings(write(tmp_path, text), environ={})
    assert settings is None
    shown = " ".join(map(str, problems))
    for name in ("`prot`", "`wieght`", "NOT_SET", "providers.openai.api_key", "'weighted'"):
        assert name in shown


@pytest.mark.parametrize(
    ("text", "place", "near"),
    [
        ('[cache]\nmode = "exakt"', "cache.mode", "Did you mean 'exact'"),
        ('[models.m]\ndeployments = [{ model = "a/b", difficulty = "simpel" }]', "difficulty", "simple, hard"),
        ('[keys.k]\nkey = "k"\nrole = "amdin"', "role", "Did you mean 'admin'"),
        ('[keys.k]\nkey = "k"\nbudget = { usd = 1, per = "yaer" }', "per", "day, month"),
    ],
)
def test_a_wrong_word_is_answered_with_those_that_may_stand_there(tmp_path, text, place, near):
    with pytest.raises(ConfigurationError, match=place) as raised:
        load_settings(write(tmp_path, text), environ={})
    assert near in raised.value.hint


def test_variables_that_name_no_setting_are_found():
    environ = {"GURU_SERVER_PROT": "1", "GURU_HOME": "/", "GURU_SERVER_PORT": "2", "OTHER": "3"}
    assert list(misnamed_variables(environ)) == [("GURU_SERVER_PROT", "GURU_SERVER_PORT")]
