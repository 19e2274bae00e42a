"""Identifiers are never given twice, whoever asks."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from guru.store import ids
from guru.store.ids import RESERVE, new_id

FORM = re.compile(r"tr_[0-9a-hjkmnp-tv-z]{22}")

FORKS = """
import os
from guru.store.ids import new_id
new_id("tr")  # there is a reserve now, which both would take from
here, there = os.pipe()
if os.fork() == 0:
    os.write(there, " ".join(new_id("tr")[-12:] for _ in range(100)).encode())
    os._exit(0)
os.wait()
mine = {new_id("tr")[-12:] for _ in range(100)}
print(len(mine | set(os.read(here, 10_000).decode().split())))
"""


def test_they_have_their_form():
    assert all(FORM.fullmatch(new_id("tr")) for _ in range(1_000))


def test_later_ones_sort_after_earlier_ones(monkeypatch):
    moments = [0.0, 0.001, 1.0, 1_048.575, 1_048.576, 1.7e9, 1.7e9 + 0.001, 3e9, 2.0**50 / 1000 - 1]
    found = []
    for moment in moments:
        monkeypatch.setattr(ids.time, "time", lambda moment=moment: moment)
        found.append(new_id("tr"))
    assert found == sorted(found)
    assert all(FORM.fullmatch(id_) for id_ in found)


def test_threads_never_get_the_same():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [new_id("tr") for _ in range(2 * RESERVE)], range(16)))
    assert len({id_ for some in made for id_ in some}) == 16 * 2 * RESERVE


def test_a_process_and_its_child_never_get_the_same():
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "200"
