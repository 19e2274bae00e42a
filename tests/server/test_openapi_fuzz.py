"""schemathesis sends what the OpenAPI document allows, and what it does not: nothing may end in a 500.

GURU_FUZZ_EXAMPLES says how many requests each operation gets.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from guru.config import AliasSettings, Deployment, Settings
from scripted import run_server

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = os.environ.get("GURU_FUZZ_EXAMPLES", "2")


@pytest.mark.slow
async def test_no_request_breaks_the_server(tmp_path):
    settings = Settings(models={"smart": AliasSettings(deployments=[Deployment(model="test/scripted")])})
    async with run_server(tmp_path, settings) as server:
        process = await asyncio.create_subprocess_exec(
            SCHEMATHESIS,
            "run",
            f"{server.url}/openapi.json",
            "--checks=not_a_server_error",
            "--phases=fuzzing",
            f"--max-examples={EXAMPLES}",
            "--exclude-path-regex=/ws$",
            "--request-timeout=20",
            "--no-color",
            stdout=asyncio.subprocess.PIPE,
            cwd=tmp_path,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-6000:]
