"""Every test of the client runs on both event loops."""

import asyncio

import uvloop


def pytest_generate_tests(metafunc):
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
