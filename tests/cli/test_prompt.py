"""`guru prompt` on a home without a server, and through one."""

import json

import pytest

from running import make_home, run, run_json, serving

PROMPT = """
notes = "the first"

[[messages]]
role = "user"
content = "Say {{ word }}{% for one in more %}, {{ one }}{% endfor %}."

[variables.word]

[variables.more]
type = "list"
default = []
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home") / "guru")
    with serving(home):
        yield home


def test_a_prompt_is_kept_compared_labelled_and_rolled_back(home, tmp_path):
    assert "There are no prompts" in run(home, "prompt").stdout
    file = tmp_path / "say.toml"
    file.write_text(PROMPT, encoding="utf-8")
    assert run(home, "prompt", "save", "say", file, "--label", "prod").stdout == "Saved say@1.\n"
    assert run(home, "prompt", "save", "say", file).stdout == "say@1 says the same already.\n"
    definition = run_json(home, "prompt", "show", "say")["definition"]
    shouted = json.dumps(definition | {"messages": [{"role": "user", "content": "Shout {{ word }}!"}]})
    assert run_json(home, "prompt", "save", "say", "-", "--notes", "louder", input=shouted)["version"] == 2
    stale = run(home, "prompt", "save", "say", "-", "--expect", "1", input=shouted, check=False)
    assert (stale.returncode, "newest version of 'say' is 2" in stale.stderr) == (1, True)
    diff = run(home, "prompt", "diff", "say", "prod").stdout
    assert "--- say@1\n+++ say@2\n" in diff
    assert "+Shout {{ word }}!" in diff
    assert run(home, "prompt", "label", "say", "prod", "2").stdout == "say: prod: 2\n"
    assert run(home, "prompt", "rollback", "say", "prod").stdout == "say: prod: 1\n"
    versions = run(home, "prompt", "show", "say", "--versions").stdout
    assert "louder" in versions
    assert "prod: 2 → 1 by owner" in versions
    assert "prod: 1" in run(home, "prompt", "list").stdout
    assert "the first" in run(home, "prompt", "show", "say@prod").stdout
    assert run(home, "prompt", "label", "say", "prod", "--remove").stdout == "say: no labels\n"


def test_a_prompt_is_rendered_and_run(home, tmp_path):
    file = tmp_path / "greet.toml"
    file.write_text(PROMPT, encoding="utf-8")
    run(home, "prompt", "save", "greet", file)
    assert "Say hi, 3." in run(home, "prompt", "render", f"{file}", "--var", "word=hi", "--var", "more=[3]").stdout
    gone = run(home, "prompt", "render", "./gone.toml", check=False)
    assert (gone.returncode, "There is no file" in gone.stderr) == (2, True)
    text = run(home, "prompt", "render", "greet@1", "--var", "word={{ more }}", "--var", 'more=["a", "b"]').stdout
    assert "Say {{ more }}, a, b." in text
    values = tmp_path / "values.json"
    values.write_text('{"word": "hello"}', encoding="utf-8")
    made = run_json(home, "prompt", "render", "greet", "--vars", values)
    assert made["prompt"]["messages"] == [{"role": "user", "content": "Say hello."}]
    missing = run(home, "prompt", "render", "greet", check=False)
    assert (missing.returncode, "needs `word`" in missing.stderr) == (1, True)
    for wrong in (["--var", "word"], ["--var", "more=x"]):
        assert run(home, "prompt", "render", "greet", *wrong, check=False).returncode == 2
    answer = run_json(home, "prompt", "run", "greet", "In one word.", "--vars", values)
    assert answer["prompt"] == {"name": "greet", "version": 1, "label": None}
    assert answer["model"] == "local/smollm2-135m"
    assert run(home, "prompt", "run", "greet", "--vars", values).stdout.strip()


def test_a_folder_of_the_home_is_followed_without_a_server(tmp_path):
    home = make_home(tmp_path / "guru")
    (home / "prompts").mkdir()
    (home / "prompts" / "say.toml").write_text(PROMPT, encoding="utf-8")
    (home / "prompts" / "broken.toml").write_text("x =", encoding="utf-8")
    listed = run(home, "prompt", "list")
    assert "say.toml" in listed.stdout
    assert "broken.toml cannot be used" in listed.stderr
    refused = run(home, "prompt", "delete", "say", check=False)
    assert (refused.returncode, "read from say.toml" in refused.stderr) == (1, True)
    exported = run(home, "prompt", "export", "say", "--format", "toml").stdout
    (home / "prompts" / "say.toml").unlink()
    again = tmp_path / "again.toml"
    again.write_text(exported, encoding="utf-8")
    assert run(home, "prompt", "save", "say", again).stdout == "say@1 says the same already.\n"
