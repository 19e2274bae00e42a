"""The tool that runs Python: what it says of code that ends well, fails, hangs, prints too much or takes too much."""

import asyncio
import platform
import sys

import psutil
import pytest

from agents.tools.boxes import CONTEXT
from guru.agents.tools.builtin import python
from guru.agents.tools.builtin.locked import ARCHITECTURES, MODULES
from guru.agents.tools.builtin.python import Sandbox, python_tool
from guru.agents.tools.toolbox import Toolbox
from guru.config import PythonToolSettings
from guru.errors import ConfigurationError

here = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHITECTURES, reason="wants Linux on x86-64 or ARM64"
)


async def run(code, **settings):
    box = Toolbox([python_tool(PythonToolSettings(**settings))])
    return await box.call("run_python", {"code": code}, CONTEXT)


@here
async def test_what_is_printed_and_the_value_of_the_last_line_are_the_result():
    result = await run("print('Hello')\nimport math\nmath.comb(49, 6)")
    assert result.text == "Hello\n13983816"
    assert result.data == {"output": "Hello\n13983816\n", "status": 0}
    assert not result.failed


@here
@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("x = 1", "It printed nothing. Print what you want to see."),
        ("'é'.encode('idna')", "b'xn--9ca'"),
        ("import datetime\nprint(datetime.datetime.strptime('2026-02-01', '%Y-%m-%d').year)", "2026"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    b: int\nA(1)", "A(b=1)"),
        ("import os\nos.environ.keys() - {'LC_CTYPE'}", "set()"),
        ("import json, re, statistics\nstatistics.stdev([1, 2, 3])", "1.0"),
        ("def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(15)", "610"),
    ],
)
async def test_ordinary_code_runs(code, printed):
    result = await run(code)
    assert (result.text, result.failed) == (printed, False)


@here
async def test_an_error_is_told_with_its_place_in_the_code_and_with_nothing_of_this_machine():
    result = await run("def f():\n    import json\n    json.loads('{')\nf()")
    assert result.failed
    assert 'File "<code>", line 3, in f' in result.text
    assert "JSONDecodeError" in result.text
    assert "/" not in result.text.replace("It ended", "")


@here
async def test_a_syntax_error_is_told():
    result = await run("def f(:")
    assert result.failed
    assert "SyntaxError" in result.text
    assert "line 1" in result.text


@here
async def test_every_module_that_is_said_to_be_there_is():
    result = await run(f"import {', '.join(MODULES)}\nprint('all')")
    assert result.text == "all"


@here
async def test_what_is_missing_is_told_with_what_is_there():
    result = await run("import numpy")
    assert "No module named 'numpy'" in result.text
    assert "statistics" in result.text


@here
async def test_code_that_does_not_end_is_stopped_and_what_it_printed_is_shown():
    result = await run("print('so far')\nwhile True: pass", timeout_seconds=0.5)
    assert result.failed
    assert result.text == "so far\nIt was stopped after 0.5 seconds."


@here
async def test_code_that_sleeps_is_stopped_too():
    assert "stopped after" in (await run("import time; time.sleep(60)", timeout_seconds=0.5)).text


@here
async def test_output_without_end_is_cut():
    result = await run("while True: print('x' * 1000)", output_kb=4)
    assert result.failed
    assert len(result.data["output"]) == 4096
    assert result.text.endswith("It was stopped after it had printed 4 KB.")


@here
@pytest.mark.parametrize("code", ["x = [0] * 10**9", "x = []\nwhile True: x.append(bytes(10**6))", "x = 'a' * 10**10"])
async def test_memory_is_limited(code):
    result = await run(code, memory_mb=128)
    assert result.failed
    assert "MemoryError" in result.text


@here
async def test_a_crash_of_the_interpreter_is_told():
    result = await run("import ctypes; ctypes.string_at(0)")
    assert result.failed
    assert "SIGSEGV" in result.text


@here
async def test_no_status_makes_it_look_as_if_the_machine_could_not():
    for status in (1, 3, 77, 255):
        result = await run(f"import os; os._exit({status})")
        assert result.text == f"It ended with status {status}."


@here
async def test_nothing_is_kept_between_calls():
    await run("import json; json.kept = 1")
    assert (await run("import json; hasattr(json, 'kept')")).text == "False"


@here
async def test_a_call_that_is_given_up_leaves_no_process():
    sandbox = Sandbox(PythonToolSettings())
    running = asyncio.create_task(sandbox.run("while True: pass"))
    while not (
        children := [child for child in psutil.Process().children() if "locked.py" in " ".join(child.cmdline())]
    ):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


@here
async def test_several_run_at_once_and_others_wait():
    sandbox = Sandbox(PythonToolSettings(at_once=2))
    ran = await asyncio.gather(*(sandbox.run(f"print({number})") for number in range(5)))
    assert [item.output for item in ran] == [f"{number}\n" for number in range(5)]


@here
async def test_a_process_that_cannot_be_locked_is_not_given_the_code(monkeypatch, tmp_path):
    """The script as it is, on a machine whose architecture it does not know."""
    script = tmp_path / "locked.py"
    source = (
        python.SCRIPT.read_text(encoding="utf-8").replace('"x86_64": (', '"x": (').replace('"aarch64": (', '"y": (')
    )
    script.write_text(source, encoding="utf-8")
    monkeypatch.setattr(python, "SCRIPT", script)
    result = await run("print('ran')")
    assert result.failed
    assert "This machine cannot isolate Python" in result.text
    assert "ran" not in result.text.replace("run", "")


@here
async def test_a_filter_that_does_not_hold_is_noticed(monkeypatch, tmp_path):
    """As on a machine that takes a filter and does not apply it, which emulators do."""
    script = tmp_path / "locked.py"
    source = python.SCRIPT.read_text(encoding="utf-8").replace("0x00050001, 0x80000000", "0x7FFF0000, 0x80000000")
    script.write_text(source, encoding="utf-8")
    monkeypatch.setattr(python, "SCRIPT", script)
    assert "does not refuse" in (await run("print('ran')")).text


async def test_another_system_than_linux_is_refused(monkeypatch):
    monkeypatch.setattr(python.sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match="Linux is wanted"):
        await Sandbox(PythonToolSettings()).run("print('ran')")
