"""Which tools there are, and for whom."""

import logging

import msgspec
import pytest

from agents.tools.boxes import CONTEXT
from agents.tools.builtin.web import PlainPages, network, serving
from guru.agents.tools.catalogue import Catalogue
from guru.agents.tools.function import FunctionTool
from guru.config import (
    FilesToolSettings,
    NewsToolSettings,
    OpenApiToolSettings,
    PythonToolSettings,
    Settings,
    SqlToolSettings,
    ToolsSettings,
    WeatherToolSettings,
    WebSearchToolSettings,
    WebToolSettings,
)
from guru.store.scope import Scope
from guru.types import Citation, Hit

ADMIN = Scope("local")
ANN = Scope("local", ("user:ann",), ("team:sales",))
BEN = Scope("local", ("user:ben",))
OTHER = Scope("acme")
ALWAYS = ["calculator", "list_collections", "search_documents", "ask_documents"]


class Library:
    """Documents as a test has them."""

    def __init__(self, *names):
        self.names = names
        self.asked = []

    async def collections(self, context):
        return dict.fromkeys(self.names, 3)

    async def search(self, collection, query, k, context):
        self.asked.append((collection, query, k, context))
        return [Hit(rank=1, score=0.9, document="a.pdf", document_id="d1", chunk_id=1, page=3, start=5, end=9,
                    text="Noon.", heading_path=["Lunch", "When"])]  # fmt: skip

    async def ask(self, collection, question, context):
        self.asked.append((collection, question, context))
        cited = Citation(n=1, document="a.pdf", page=3, start=5, end=9, quote="Noon.", score=0.9)
        return "At noon [1].", [cited]


def catalogue(settings=None, documents=None, web=None):
    return Catalogue(
        settings or ToolsSettings(), web=web, pages=PlainPages(), documents=documents or Library(), own_tenant="local"
    )


async def names(made, scope=ADMIN):
    return [spec.name for spec in (await made.toolbox(scope)).specs]


async def test_what_is_not_configured_is_not_offered():
    assert await names(catalogue()) == ALWAYS
    assert await catalogue().problems(ADMIN) == []


async def test_what_is_configured_is_offered(tmp_path):
    (tmp_path / "pets.json").write_text('{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}')
    settings = ToolsSettings(
        python=PythonToolSettings(), web=WebToolSettings(), weather=WeatherToolSettings(), news=NewsToolSettings(),
        search=WebSearchToolSettings(provider="brave", api_key="k"),
        sql={"shop": SqlToolSettings(url=f"sqlite:///{tmp_path}/x.db")},
        files={"notes": FilesToolSettings(root=str(tmp_path), write=True)},
        openapi={"pets": OpenApiToolSettings(document=str(tmp_path / "pets.json"), url="http://127.0.0.1")},
    )  # fmt: skip
    made = catalogue(settings)
    assert await names(made) == [
        *ALWAYS, "run_python", "fetch_page", "search_web", "weather", "news", "tables_shop", "query_shop",
        "notes_list", "notes_read", "notes_search", "notes_write", "pets_a",
    ]  # fmt: skip
    approval = {tool.spec.name for tool in await made.toolbox(ADMIN) if tool.spec.approval}
    assert approval == {"notes_write"}
    assert all(len(spec.description) < 1024 for spec in (await made.toolbox(ADMIN)).specs)


async def test_what_belongs_to_the_organisation_whose_server_it_is_is_offered_to_nobody_else(tmp_path):
    files = {
        "all": FilesToolSettings(root=str(tmp_path)),
        "ann": FilesToolSettings(root=str(tmp_path), allow=["user:ann"]),
        "sales": FilesToolSettings(root=str(tmp_path), allow=["team:sales", "key:k"]),
    }
    made = catalogue(ToolsSettings(files=files, python=PythonToolSettings()))

    async def folders(scope):
        return {name.partition("_")[0] for name in await names(made, scope) if name.endswith("_read")}

    assert await folders(ADMIN) == {"all", "ann", "sales"}
    assert await folders(ANN) == {"all", "ann", "sales"}
    assert await folders(BEN) == {"all"}
    assert await folders(OTHER) == set()
    assert await names(made, OTHER) == [*ALWAYS, "run_python"]
    result = await (await made.toolbox(BEN)).call("ann_read", {"path": "x"}, CONTEXT)
    assert result.text.startswith("There is no tool 'ann_read'.")


async def test_the_configuration_can_have_any_tool_confirmed():
    made = catalogue(ToolsSettings(confirm=["calc*"]))
    box = await made.toolbox(ADMIN)
    assert [spec.name for spec in box.specs if spec.approval] == ["calculator"]
    assert (await box.call("calculator", {"expression": "6*7"}, CONTEXT)).text == "42"


async def test_what_cannot_be_made_is_told_and_the_others_work(tmp_path, caplog):
    files = {"none": FilesToolSettings(root=str(tmp_path / "none")), "notes": FilesToolSettings(root=str(tmp_path))}
    made = catalogue(ToolsSettings(files=files))
    with caplog.at_level(logging.WARNING):
        assert "notes_read" in await names(made)
    (problem,) = await made.problems(ADMIN)
    assert problem.place == "tools.files.none" and "There is no folder" in problem.message
    assert await made.problems(OTHER) == []
    assert caplog.text.count("not offered") == 1  # it is not tried again at once


async def test_a_service_that_comes_back_is_offered_then(monkeypatch):
    monkeypatch.setattr("guru.agents.tools.catalogue.AGAIN_SECONDS", 0.0)
    async with serving() as service, network() as web:
        settings = OpenApiToolSettings(document=f"{service.url}/x.json", private=True)
        made = catalogue(ToolsSettings(openapi={"pets": settings}), web=web)
        assert await names(made) == ALWAYS
        service.say("/x.json", {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}})
        assert await names(made) == [*ALWAYS, "pets_a"]
        assert await made.problems(ADMIN) == []


async def test_other_sources_bring_tools_and_the_first_of_a_name_is_taken(caplog):
    class Source:
        async def tools(self, scope):
            made = [FunctionTool(lambda: "theirs", name="calculator"), FunctionTool(lambda: "theirs", name="other")]
            return made if scope.tenant == "local" else []

    made = catalogue()
    made.sources.append(Source())
    assert await names(made) == [*ALWAYS, "other"]
    assert await names(made, OTHER) == ALWAYS
    assert (await (await made.toolbox(ADMIN)).call("calculator", {"expression": "1"}, CONTEXT)).text == "1"
    assert "several tools called calculator" in caplog.text


@pytest.mark.parametrize(
    ("collections", "given", "asked"),
    [(["default", "x"], "", "default"), (["only"], "", "only"), (["a", "b"], "b", "b"), ([], "a", "a")],
)
async def test_documents_are_searched_in_the_usual_collection_or_the_one_named(collections, given, asked):
    library = Library(*collections)
    box = await catalogue(documents=library).toolbox(ADMIN)
    result = await box.call("search_documents", {"query": "When?", "collection": given}, CONTEXT)
    assert library.asked == [(asked, "When?", 5, CONTEXT)]
    assert result.text == "[1] a.pdf, page 3 (Lunch › When)\nNoon."
    assert result.data[0] == {"rank": 1, "score": 0.9, "document": "a.pdf", "document_id": "d1", "page": 3, "start": 5,
                              "end": 9, "text": "Noon.", "title": None}  # fmt: skip


async def test_collections_are_listed_and_asked():
    library = Library("only")
    box = await catalogue(documents=library).toolbox(ADMIN)
    assert (await box.call("list_collections", {}, CONTEXT)).data == [{"collection": "only", "documents": 3}]
    result = await box.call("ask_documents", {"question": "When is lunch?"}, CONTEXT)
    assert result.text == "At noon [1].\n[1] a.pdf, page 3: Noon."
    assert library.asked == [("only", "When is lunch?", CONTEXT)]


async def test_a_collection_must_be_named_where_there_are_several():
    box = await catalogue(documents=Library("a", "b")).toolbox(ADMIN)
    result = await box.call("search_documents", {"query": "When?"}, CONTEXT)
    assert result.text == "There are several collections. Name one as `collection`: a, b."
    box = await catalogue(documents=Library()).toolbox(ADMIN)
    assert "There are no documents." in (await box.call("search_documents", {"query": "When?"}, CONTEXT)).text


async def test_other_settings_are_in_force_at_once_and_what_is_as_it_was_is_kept(tmp_path):
    (tmp_path / "pets.json").write_text('{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}')
    pets = {"pets": OpenApiToolSettings(document=str(tmp_path / "pets.json"), url="http://127.0.0.1")}
    notes = {"notes": FilesToolSettings(root=str(tmp_path))}
    told = []
    made = catalogue(ToolsSettings(openapi=pets, files=notes))
    made.on_change.append(lambda: told.append(True))
    before = await made.toolbox(ADMIN)
    (tmp_path / "pets.json").unlink()  # who asks for it again is refused
    new = ToolsSettings(openapi=pets, news=NewsToolSettings(), confirm=["calculator"], result_characters=500)
    made.reload(Settings(tools=new))
    made.reload(Settings(tools=msgspec.structs.replace(new)))
    after = await made.toolbox(ADMIN)
    assert [spec.name for spec in after.specs] == [*ALWAYS, "news", "pets_a"]
    assert {spec.name for spec in after.specs if spec.approval} == {"calculator"}
    assert (before.shown, after.shown) == (20_000, 500)
    assert told == [True]
    assert not (await before.call("notes_list", {}, CONTEXT)).failed  # whoever has it ends with it
    made.reload(Settings(tools=ToolsSettings(files={"notes": FilesToolSettings(root=str(tmp_path), write=True)})))
    assert await names(made) == [*ALWAYS, "notes_list", "notes_read", "notes_search", "notes_write"]
