"""`guru memory`, through a running server and without one."""

import json

from running import run, run_json, serving


def test_a_memory_is_added_found_corrected_exported_and_forgotten(home, tmp_path):
    with serving(home):  # a command without one starts it each time
        assert "guru memory add" in run(home, "memory").stdout
        kept = run_json(home, "memory", "add", "I live in Hamburg.")
        assert kept["outcome"] == "added"
        said = run(home, "memory", "add", "I moved to Lisbon.").stdout
        assert "Remembered: I moved to Lisbon." in said and "In place of: I live in Hamburg." in said
        listed = run_json(home, "memory", "list", "--superseded")["memories"]
        assert [memory["text"] for memory in listed] == ["I moved to Lisbon.", "I live in Hamburg."]
        found = run(home, "memory", "search", "Where do I live?").stdout
        assert "I moved to Lisbon." in found and "relevant (0." in found and "Hamburg" not in found
        newest = listed[0]["id"]
        assert "replaced: I live in Hamburg." in run(home, "memory", "show", newest).stdout
        assert (
            run(home, "memory", "edit", newest, "--text", "I live in Faro.").stdout == "It says now: I live in Faro.\n"
        )
        run(home, "memory", "export", "-o", tmp_path / "all.json")
        exported = json.loads((tmp_path / "all.json").read_text())
        assert [memory["text"] for memory in exported["memories"]] == ["I live in Hamburg.", "I live in Faro."]
        assert run(home, "memory", "forget", newest).stdout == "Forgotten: 2.\n"
        assert run_json(home, "memory", "forget", "--all", "-y") == {"forgotten": 0}


def test_what_makes_no_sense_is_said(home):
    wrong = run(home, "memory", "forget", check=False)
    assert (wrong.returncode, "Name a memory, or say --all." in wrong.stderr) == (2, True)
    gone = run(home, "memory", "show", "mem_none", check=False)
    assert gone.returncode == 1 and "There is no memory 'mem_none'." in gone.stderr
    asked = run(home, "memory", "forget", "--all", check=False, input="n\n")
    assert asked.returncode == 1 and "Erase everything" in asked.stderr
