from running import run, run_json


def test_list_shows_what_is_here_and_what_can_be_had(sample_server):
    models = run_json(sample_server.home, "models", "list")["models"]
    default = next(model for model in models if "default" in model["aliases"])
    assert default["status"] in ("ready", "available")
    assert sum(model["status"] == "not installed" for model in models) >= 8
    assert default["name"] in run(sample_server.home, "models").stdout


def test_show_takes_an_alias(sample_server):
    text = run(sample_server.home, "models", "show", "default").stdout
    assert "local/smollm2-135m" in text
    assert "Apache-2.0" in text


def test_a_model_that_is_here_is_not_fetched_again(sample_server):
    assert run_json(sample_server.home, "models", "pull", "default")["name"] == "local/smollm2-135m"


def test_an_unknown_model_is_answered_with_the_nearest_one(sample_server):
    result = run(sample_server.home, "models", "show", "local/smollm2-135", check=False)
    assert result.returncode == 1
    assert "Did you mean local/smollm2-135m?" in result.stderr
