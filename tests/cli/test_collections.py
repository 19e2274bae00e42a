from running import run, run_json, serving


def test_list_and_show_tell_the_same_counts(sample_server):
    listed = run_json(sample_server.home, "collections", "list")["collections"]
    shown = run_json(sample_server.home, "collections", "show", "handbook")
    assert [item["name"] for item in listed] == ["handbook"]
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
