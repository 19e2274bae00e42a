"""The official conformance suite of MCP, against server and client, in both revisions: its exit status decides."""

import importlib
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
conformance = importlib.import_module("mcp_conformance")

FOLDER = os.environ.get("GURU_MCP_SUITE", "")
pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="GURU_MCP_SUITE names no folder that scripts/install_mcp_suite.py has filled, as .ci/run does "
    "wherever npm's registry can be reached",
)
SUITE = conformance.Suite(Path(FOLDER).absolute()) if FOLDER else None
CLIENT = [(revision, name) for revision in conformance.REVISIONS if SUITE for name in SUITE.client_scenarios(revision)]


@pytest.fixture(scope="module")
def url():
    with conformance.serving() as found:
        yield found


def passed(outcome):
    return (outcome.status, outcome.failed) == (0, 0) and outcome.passed > 0


@pytest.mark.parametrize("revision", conformance.REVISIONS)
def test_the_server_passes(url, revision):
    outcome = SUITE.server(revision, url)
    assert passed(outcome), outcome
    assert outcome.scenarios > 30


@pytest.mark.parametrize(("revision", "scenario"), CLIENT or [("", "")])
def test_the_client_passes(revision, scenario):
    outcome = SUITE.client(revision, scenario)
    assert passed(outcome), outcome


def test_the_scenarios_of_each_revision_are_found():
    found = Counter(revision for revision, _ in CLIENT)
    assert found.keys() == set(conformance.REVISIONS) and min(found.values()) > 15
