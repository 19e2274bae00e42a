from running import run, run_json, serving


def test_list_and_show_tell_the_same_counts(sample_server):
    everything = run_json(sample_server.home, "collections", "list")["collections"]
    listed = [item for item in everything if item["name"] == "handbook"]
    shown = run_json(sample_server.home, "collections", "show", "handbook")
    assert listed[0]["documents"] == len(shown["documents"])
    assert listed[0]["chunks"] == sum(document["chunks"] for document in shown["documents"])


def test_show_names_the_documents(sample_server):
    assert "employee-handbook.pdf" in run(sample_server.home, "collections", "show", "handbook").stdout


def test_delete_asks_first_and_leaves_the_files(home, tmp_path):
    file = tmp_path / "note.txt"
    file.write_text("The meeting is at nine.")
    with serving(home):
        run(home, "ingest", file, "-c", "notes")
        assert run(home, "collections", "delete", "notes", input="n\n", check=False).returncode == 1
        assert run_json(home, "collections")["collections"] != []
        run(home, "collections", "delete", "notes", "--yes")
        assert run_json(home, "collections")["collections"] == []
    assert file.exists()


def test_the_only_collection_need_not_be_named_but_of_several_one_must(home, tmp_path):
    (tmp_path / "note.txt").write_text("The meeting is at nine in the blue room.")
    with serving(home):
        run(home, "ingest", tmp_path / "note.txt", "-c", "one")
        assert run_json(home, "search", "meeting")["results"][0]["document"] == "note.txt"
        run(home, "ingest", tmp_path / "note.txt", "-c", "two")
        result = run(home, "search", "meeting", check=False)
        assert result.returncode == 1
        assert "--collection: one, two" in result.stderr
        run(home, "ingest", tmp_path / "note.txt")
        assert run_json(home, "search", "meeting")["results"][0]["document"] == "note.txt"


def test_documents_that_are_alike_are_shown(sample_server, home, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    text = " ".join(f"Bed {n} of the hut stands by window {n}." for n in range(30))
    (folder / "one.txt").write_text(text)
    (folder / "two.md").write_text(f"# Beds\n\n{text}")
    run(home, "ingest", folder, "-c", "hut")
    result = run(home, "collections", "duplicates", "hut")
    assert {line.split("  ")[-1] for line in result.stdout.splitlines()} == {"one.txt", "two.md"}
    assert "1 duplicate among 2 documents" in result.stderr
    found = run_json(sample_server.home, "collections", "similar", "handbook", "employee-handbook.pdf", "-k", "2")
    assert len(found["documents"]) == 2
    missing = run(sample_server.home, "collections", "similar", "handbook", "nothing.pdf", check=False)
    assert (missing.returncode, "nothing.pdf" in missing.stderr) == (1, True)


def test_who_may_see_a_document_is_said_at_ingest_and_changed_later(home, tmp_path):
    for name in ("plan", "menu"):
        (tmp_path / f"{name}.txt").write_text(f"The {name} is on the table in the blue room.")
    with serving(home):
        run(home, "ingest", tmp_path / "plan.txt", "-c", "c", "--access", "user:anna", "--access", "team:legal")
        run(home, "ingest", tmp_path / "menu.txt", "-c", "c")

        def lists(*arguments):
            shown = run_json(home, "collections", "access", "c", "menu.txt", "plan.txt", *arguments)["documents"]
            return {item["document"]: item["access"] for item in shown}

        assert lists() == {"menu.txt": [], "plan.txt": ["team:legal", "user:anna"]}
        assert lists("--access", "key:k1") == {"menu.txt": ["key:k1"], "plan.txt": ["key:k1"]}
        assert "menu.txt: key:k1" in run(home, "collections", "access", "c", "menu.txt").stdout
        run(home, "ingest", tmp_path / "menu.txt", "-c", "c", "--everybody")
        assert lists() == {"menu.txt": [], "plan.txt": ["key:k1"]}
        wrong = run(home, "collections", "access", "c", "plan.txt", "more.txt", "--everybody", check=False)
        assert (wrong.returncode, "more.txt" in wrong.stderr, lists()["plan.txt"]) == (1, True, ["key:k1"])
        both = run(home, "ingest", tmp_path, "--access", "user:anna", "--everybody", check=False)
        assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
