from running import run, run_json, serving

NOTES = "# Tides\n\nThe tide comes in at seven.\n\n# Moons\n\nThe moon is full on Friday.\n"


def test_a_file_is_cut_as_asked(home, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text(NOTES)
    with serving(home):
        cut = run_json(home, "chunk", file, "--strategy", "heading", "--chunk-tokens", 30)
        assert [chunk["heading_path"] for chunk in cut["chunks"]] == [["Tides"], ["Moons"]]
        assert [NOTES[chunk["start"] : chunk["end"]] for chunk in cut["chunks"]] == [
            chunk["text"] for chunk in cut["chunks"]
        ]
        assert (cut["strategy"], cut["chunk_tokens"], cut["document"]) == ("heading", 30, "notes.md")
        shown = run(home, "chunk", file, "-s", "heading").stdout
        assert "Moons" in shown and "2 chunks" in shown
        assert run_json(home, "collections")["collections"] == []


def test_a_size_that_no_model_reads_is_refused(home, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text(NOTES)
    result = run(home, "chunk", file, "--chunk-tokens", 5000, check=False)
    assert result.returncode == 1
    assert "the embedding model reads" in result.stderr and "hierarchical" in result.stderr


def test_a_collection_is_made_and_configured(home, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text(NOTES)
    with serving(home):
        made = run_json(home, "collections", "create", "notes", "--chunking", "heading", "--chunk-tokens", 150)
        assert made["settings"]["chunking"] == "heading" and made["own"] == ["chunk_tokens", "chunking"]
        assert run_json(home, "ingest", file, "-c", "notes")["chunks"] == 2
        said = run(home, "collections", "configure", "notes", "--chunking", "sentence").stdout
        assert "sentence, up to 150 tokens" in said and "guru ingest" in said
        assert run_json(home, "ingest", file, "-c", "notes")["chunks"] == 1
        assert "Cut: sentence" in run(home, "collections", "show", "notes").stdout
        reset = run_json(home, "collections", "configure", "notes", "--reset")
        assert reset["own"] == [] and reset["settings"]["chunking"] == "recursive"
        assert run(home, "collections", "configure", "notes", check=False).returncode == 2
