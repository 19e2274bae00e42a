import shutil
import sqlite3
from contextlib import closing

from guru.cli.doctor import check_ocr
from knowledge.parse.scanning import needs_tesseract
from running import make_home, run, run_json


@needs_tesseract
def test_languages_that_tesseract_lacks_are_a_warning():
    assert check_ocr(["eng"]).state == "ok"
    found = check_ocr(["eng", "tlh"])
    assert (found.state, found.detail) == ("warning", "Tesseract has no tlh")


def test_without_tesseract_it_is_well_and_says_what_would_be_read_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = check_ocr(["eng"])
    assert found.state == "ok"
    assert "apt install tesseract-ocr" in found.advice
    assert "turned off" in check_ocr([]).detail


def findings(home, **options):
    return {item["check"]: item for item in run_json(home, "doctor", **options)["findings"]}


def test_a_sound_home_is_all_well(sample_server):
    found = findings(sample_server.home)
    assert {item["state"] for item in found.values()} <= {"ok", "warning"}
    assert sample_server.url in found["server"]["detail"]
    assert found["chat model"]["state"] == found["embedder"]["state"] == found["database"]["state"] == "ok"


def test_a_home_that_others_can_read_is_a_warning_with_the_remedy(tmp_path):
    home = make_home(tmp_path / "guru")
    home.chmod(0o755)
    found = findings(home)["home"]
    assert (found["state"], found["advice"]) == ("warning", f"chmod 700 {home}")


def test_a_damaged_database_is_a_failure(sample_server, tmp_path):
    home = make_home(tmp_path / "guru")
    with (
        closing(sqlite3.connect(sample_server.home / "guru.db")) as source,
        closing(sqlite3.connect(home / "guru.db")) as copy,
    ):
        source.backup(copy)
    with (home / "guru.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 6)
    result = run(home, "doctor", check=False)
    assert result.returncode == 1
    assert any(line.startswith("failed") and "database" in line for line in result.stdout.splitlines())


def test_a_damaged_model_is_a_failure(tmp_path):
    home = make_home(tmp_path / "guru")
    models = home / "models"
    original = models.resolve()
    models.unlink()
    shutil.copytree(original, models)
    weights = next(path for path in models.rglob("*.gguf"))
    with weights.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff" * 1000)
    result = run(home, "doctor", check=False)
    assert result.returncode == 1
    assert "models pull" in result.stdout


def test_a_wrong_configuration_is_a_failure_that_names_the_key(tmp_path):
    (tmp_path / "guru.toml").write_text("[server]\nprot = 1\n")
    result = run(tmp_path / "home", "doctor", cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "Did you mean `port`?" in result.stdout
