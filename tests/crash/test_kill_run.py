"""`kill -9` of a server whose agent is at work: another one goes on, and does nothing again that was done."""

import threading
import time

import pytest

from agents.loopback import configure, provider
from running import serving

AGENT = """
[agents.writer]
model = "mock/m"
strategy = "reflection"
rounds = 3
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(home, runs, chance, assert_sound, watched_kill):
    for number in range(min(runs, 2)):
        stuck, at = threading.Event(), chance.randrange(1, 6)
        print(f"run {number}: kill while request {at} is answered")

        def answer(asked, count, at=at, stuck=stuck):
            if count == at:
                stuck.set()
                time.sleep(1.5)
            return '{"problems": ["more"]}' if asked.get("response_format") else f"Draft {count}."

        with provider(answer) as upstream:
            configure(home, upstream, AGENT)
            with serving(home) as server:
                run = server.post("/api/v1/agents/writer/runs", {"input": "Write.", "background": True})
                assert stuck.wait(30)
                before = server.get(f"/api/v1/runs/{run['id']}")["log"]
                watched_kill(server.process, group=chance.random() < 0.5)
            assert_sound(home)
            assert [step["status"] for step in before] == ["done"] * (at - 1) + ["begun"]
            with serving(home) as server:
                end = time.monotonic() + 60
                while (found := server.get(f"/api/v1/runs/{run['id']}"))["status"] in ("queued", "running"):
                    assert time.monotonic() < end
                    time.sleep(0.05)
                assert (found["status"], found["steps"]) == ("done", 7)
                assert found["log"][: at - 1] == before[: at - 1]
                assert len(found["traces"]) == 2
            # Seven steps, and the one that was under way asked again.
            assert len(upstream.asked) == 8
