import pytest

from guru.knowledge.parse import parse

# --------------------------------------------------------------------------- Markdown


def headings(text):
    document = parse(text.encode(), "a.md")
    assert document.text == text
    return [(heading.level, heading.title, text[heading.start :].split("\n")[0]) for heading in document.headings]


def test_markdown_is_kept_as_it_is_and_its_headings_are_found():
    assert headings("# One **bold**\n\ntext\n\nTwo\n---\n\n> ### In a quote\n") == [
        (1, "One bold", "One **bold**"),
        (2, "Two", "Two"),
        (3, "In a quote", "In a quote"),
    ]


def test_hashes_in_code_are_no_headings():
    assert headings("```sh\n# no\n```\n\n    # no\n\n#no\n\n# yes\n") == [(1, "yes", "yes")]


def test_front_matter_gives_metadata_and_no_headings():
    text = '---\ntitle: "A Page"\nauthors:\n  - Ada\n  - Bob\ndate: 2026-01-12\ntags: [x, y]\n---\n\n# Head\n'
    document = parse(text.encode(), "a.md")
    assert document.text == text
    assert (document.title, document.author, document.created) == ("A Page", "Ada, Bob", "2026-01-12")
    assert document.metadata["front_matter"]["tags"] == ["x", "y"]
    assert [heading.title for heading in document.headings] == ["Head"]


def test_a_title_falls_back_to_the_first_heading_then_to_the_name():
    assert parse(b"# Head\n", "dir/file.md").title == "Head"
    assert parse(b"words\n", "dir/file.md").title == "file"


# --------------------------------------------------------------------------- source code

PYTHON = "import os\n\n\nasync def fetch():\n    def inner(): ...\n\n\nclass Store:\n    def get(self): ...\n"
RUST = "pub fn run() {}\n\nimpl Store for Disk {\n    fn get(&self) {}\n}\n"
TYPESCRIPT = "export const load = async (a) => a\n\nexport default class View {}\n"
C = "#include <a.h>\n\nstatic int *find(const char *name)\n{\n    return other(name);\n}\n"


@pytest.mark.parametrize(
    ("name", "code", "language", "titles"),
    [
        ("a.py", PYTHON, "Python", ["fetch", "Store"]),
        ("a.rs", RUST, "Rust", ["run", "Store for Disk"]),
        ("a.ts", TYPESCRIPT, "TypeScript", ["load", "View"]),
        ("a.c", C, "C", ["find"]),
        ("a.go", "package a\n\nfunc (s *Store) Get() {}\n\ntype Store struct{}\n", "Go", ["Get", "Store"]),
        ("a.sql", "CREATE TABLE IF NOT EXISTS people (id int);\n", "SQL", ["people"]),
        ("Makefile", "all: build\n\nx := 1\n", "Make", ["all"]),
    ],
)
def test_definitions_at_the_top_of_code_are_headings(name, code, language, titles):
    document = parse(code.encode(), name)
    assert document.text == code
    assert document.metadata["language_name"] == language
    assert [heading.title for heading in document.headings] == titles


def test_long_lines_of_code_take_no_exponential_time():
    for line in ("a " * 20_000, "const " * 20_000, "(" * 50_000, "public static " * 10_000):
        for name in ("a.c", "a.js", "a.rs", "a.java", "a.sql"):
            assert parse(line.encode(), name).headings == []


# --------------------------------------------------------------------------- encodings

GENUINE = [
    "L’été à Noël – « déjà vu » coûte 5 € … œuvre, garçon, où, naïve",
    "Größe: 5 m², „Zitat“ – Straße, Ärger, Übung, öffentlich",
    "他说：“你好，世界”——这是一个测试。",
    "日本語のテキストです。",
    "Ελληνικά και κείμενο",
    "Это русский текст, №5 «цитата»",
    "Zażółć gęślą jaźń",
    "Đây là tiếng Việt",
    "emoji 😀 🇩🇪 👩‍👩‍👧 ✓ ½ ≠ √2 ∂x ∑ Ω",
    "Smørrebrød, ÅNGSTRÖM, São Paulo, ÇA VA, señor",
    "A ± 5 ‰, 20 °C, © 2026 ®, ¿Qué?",
]


@pytest.mark.parametrize("text", GENUINE)
def test_correct_text_is_left_alone(text):
    document = parse(text.encode(), "a.txt")
    assert document.text == text
    assert document.warnings == []


@pytest.mark.parametrize("text", ["2010 – 2012", "it’s an “apt text", "München, café, naïve", "a … b — c"])
@pytest.mark.parametrize("codec", ["mac_roman", "cp1252"])
def test_text_that_was_decoded_wrongly_is_repaired(text, codec):
    garbled = text.encode().decode(codec)
    document = parse(f"fine line\n{garbled}\n".encode(), "a.txt")
    assert document.text == f"fine line\n{text}\n"
    assert document.warnings == ["Wrongly encoded characters were repaired in 1 lines."]


def test_text_that_was_decoded_wrongly_twice_is_repaired():
    garbled = "it’s in München".encode().decode("cp1252").encode().decode("cp1252")
    assert parse(garbled.encode(), "a.txt").text == "it’s in München"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_are_told_by_their_marks_or_zeros(encoding):
    assert parse("Größe and café\n".encode(encoding), "a.txt").text == "Größe and café\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Die Größe der Übungsräume wurde geändert, schöne Grüße aus München – “zitiert”."),
        ("shift_jis", "これは日本語の文章です。文字コードの判定を試しています。漢字とひらがなとカタカナ。"),
        ("gb18030", "这是一个用来测试编码识别的中文句子，里面有很多常用的汉字。希望能够正确识别。"),
        ("koi8-r", "Это довольно длинный русский текст, по которому можно определить кодировку файла."),
    ],
)
def test_old_encodings_are_guessed_and_reported(encoding, text):
    document = parse(text.encode(encoding), "a.txt")
    assert document.text == text
    assert "not UTF-8" in document.warnings[0]


def test_line_ends_and_control_characters_are_tidied():
    words = b"many words " * 20
    assert parse(words + b"a\r\nb\rc\x00\x07d\x0ce\n", "a.txt").text == words.decode() + "a\nb\ncd\ne\n"


# --------------------------------------------------------------------------- language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The employees of the company have thirty days of leave every year.", "en"),
        ("Die Beschäftigten des Unternehmens haben dreißig Tage Urlaub im Jahr.", "de"),
        ("Les employés de la société ont trente jours de congé chaque année.", "fr"),
        ("公司的员工每年有三十天的假期。", "zh"),
        ("1 2 3", None),
    ],
)
def test_the_language_of_a_text_is_detected(text, language):
    assert parse(text.encode(), "a.txt").language == language
