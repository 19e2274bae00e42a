"""Every example runs against a real server, and prints what it says it prints."""

import subprocess
import sys
from pathlib import Path

import pytest

from running import environment

EXAMPLES = Path(__file__).parent.parent / "examples"
EXPECTED = {
    "ask_documents.py": "[1] employee-handbook.pdf, page ",
    "openai_client.py": "0.38",
    "structured_output.py": "'city': ",
    "embeddings.py": "A private car is paid by the kilometre.",
    "upload_and_search.py": "harbour.md: ",
    "anthropic_client.py": " tokens in, ",
    "ollama_client.py": " tokens in, ",
    "batch.py": "completed: 3 of 3",
    "workflow.py": "done: {'answer': ",
}


def test_every_example_is_listed_and_tested():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert path.name in listed
        assert path.name in EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_it_runs(name, sample_server, tmp_path):
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, sample_server.url],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert EXPECTED[name] in result.stdout
