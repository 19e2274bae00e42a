"""Whether answers cite the right page of a PDF, or the right row of a table: two sets of questions.

    python benchmarks/pages.py --pdfs DIR [--set reports|tables] [--home DIR] [--model NAME] [--questions N]
    python benchmarks/pages.py --pdfs DIR --fit

DIR holds the files that `pdf_questions.json` names, which also says on which pages each answer stands: often one, or
all that say the same. They are ingested into a fresh home, and every question takes the road that `guru ask` takes,
with the default models and settings. All misses are listed, with what was cited instead.

The set "tables" (`table_questions.json`) asks other things of the reports, and of tables in other layouts, which
`table_documents.py` writes. Some of its questions have no answer. It is the one to tune on: `--fit` fits with it what
`weights.json` says of rows, and leaves all other weights as they are; "reports" is for measuring alone.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import table_documents
from answers import finish, fit_rows, pull
from bench import RESULTS, TENANT, squad_words

from guru.config import load_settings
from guru.gateway.identity import Caller
from guru.knowledge.answer.features import Passage
from guru.knowledge.search import Sentence
from guru.server.compose import open_services
from guru.server.services import Services
from guru.store.ids import new_id
from guru.types import ChatRequest, Citation, Cited, Completed, Delta, Grounding, Message

SETS = {"reports": "pdf_questions.json", "tables": "table_questions.json"}
COLLECTION = "pages"
SHOWN = 160
"""Characters of a quote in the list of misses."""


class Asked(msgspec.Struct):
    question: dict[str, Any]
    answer: str
    citations: list[Citation]
    outcome: str

    @property
    def impossible(self) -> bool:
        return self.question["answer"] is None

    @property
    def first(self) -> bool:
        return bool(self.citations) and self._is_right(self.citations[0])

    @property
    def any(self) -> bool:
        return any(map(self._is_right, self.citations))

    @property
    def quoted(self) -> bool:
        """Whether the words of the answer stand in a quote, one after the other."""
        return any(says(self.question, citation.quote) for citation in self.citations)

    def _is_right(self, citation: Citation) -> bool:
        return is_right(self.question, citation.document, citation.page, citation.quote)


def is_right(question: dict[str, Any], document: str, page: int | None, quote: str) -> bool:
    """Whether a quote is of a page that answers; in a document without pages, of the row or sentence that does."""
    if question["answer"] is None or Path(document).name != question["document"]:
        return False
    if question["pages"]:
        return page in question["pages"]
    return question["row"] in quote and says(question, quote)


def says(question: dict[str, Any], quote: str) -> bool:
    return question["answer"] is not None and follow(squad_words(question["answer"]), squad_words(quote))


def follow(words: list[str], text: list[str]) -> bool:
    return any(text[start : start + len(words)] == words for start in range(len(text) - len(words) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdfs", type=Path, required=True)
    parser.add_argument("--home", type=Path, help="kept; without it a temporary one")
    parser.add_argument("--model", default="default")
    parser.add_argument("--set", choices=SETS, default="reports")
    parser.add_argument("--fit", action="store_true", help="fit the weights of rows on the set of tables")
    parser.add_argument("--questions", type=int, help="only the first N")
    arguments = parser.parse_args()
    arguments.set = "tables" if arguments.fit else arguments.set
    with tempfile.TemporaryDirectory(prefix="guru-pages-") as folder:
        asked = asyncio.run(run(arguments, (arguments.home or Path(folder)).absolute()))
    if arguments.fit:
        return
    report = table(asked)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"pages-{arguments.set}.json").write_bytes(msgspec.json.format(msgspec.json.encode(asked)))
    (RESULTS / f"pages-{arguments.set}.md").write_text(report)
    print(report)


async def run(arguments: argparse.Namespace, home: Path) -> list[Asked]:
    content = json.loads(Path(__file__).with_name(SETS[arguments.set]).read_text("utf-8"))
    paths = [arguments.pdfs / name for name in content["documents"]]
    for path, digest in zip(paths, content["documents"].values(), strict=True):
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{path.name} is another file than the questions were written for.")
    collection = f"{COLLECTION}-{arguments.set}"
    async with open_services(home, load_settings(home=home)) as services:
        with tempfile.TemporaryDirectory(prefix="guru-tables-") as folder:
            if arguments.set == "tables":
                paths += table_documents.write(Path(folder))
            await finish(
                services, await services.knowledge.ingest.submit_paths(TENANT, collection, list(map(str, paths)))
            )
        if arguments.fit:
            await fit_rows(services, collection, content["questions"], answers=answers)
            return []
        if arguments.model == "default":
            await pull(services, "smollm2-135m")
        questions = content["questions"][: arguments.questions]
        return [await ask(services, arguments.model, collection, each) for each in questions]


def answers(question: dict[str, Any], passage: Passage, sentence: Sentence) -> bool:
    """Whether a sentence is one that answers a question."""
    page = passage.hit.page_at(sentence.start)
    return is_right(question, passage.hit.document, page, sentence.text) and says(question, sentence.text)


async def ask(services: Services, model: str, collection: str, question: dict[str, Any]) -> Asked:
    request = ChatRequest(
        model=model,
        messages=[Message("user", question["question"])],
        guru=Grounding(collection),
        seed=0,
        temperature=0.0,
    )
    answer, citations, outcome = "", [], ""
    async for event in services.road.run(request, Caller(tenant=TENANT, route="ask", trace_id=new_id("trace"))):
        if isinstance(event, Delta):
            answer += event.text
        elif isinstance(event, Cited):
            citations += event.citations
        elif isinstance(event, Completed):
            outcome = str(event.outcome)
    return Asked(question, answer, citations, outcome)


def table(asked: list[Asked]) -> str:
    lines = [
        "| | questions | first citation | any citation | answer in a quote | declined |",
        "|---|---|---|---|---|---|",
    ]
    possible = [item for item in asked if not item.impossible]
    kinds = {
        "all": possible,
        "in tables": [item for item in possible if item.question["table"]],
        "in prose": [item for item in possible if not item.question["table"]],
    }
    for kind, items in kinds.items():
        counts = [sum(getattr(item, name) for item in items) for name in ("first", "any", "quoted")]
        declined = sum(not item.citations for item in items)
        lines.append(f"| {kind} | {len(items)} | {' | '.join(map(str, counts))} | {declined} |")
    if impossible := [item for item in asked if item.impossible]:
        lines.append(f"| without an answer | {len(impossible)} | | | | {sum(not i.citations for i in impossible)} |")
    missed = [item for item in asked if (item.citations if item.impossible else not (item.first and item.quoted))]
    lines += ["", f"Misses, in the page of the first citation or the words of the quote: {len(missed)}", ""]
    for item in missed:
        wanted = item.question
        pages = ", ".join(map(str, wanted["pages"]))
        place = f"page {pages}" if pages else wanted.get("row", "no answer")
        lines.append(f"- {wanted['question']} Wanted: {wanted['answer']}, {short(wanted['document'])} {place}.")
        for citation in item.citations[:2]:
            quote = " ".join(citation.quote.split())[:SHOWN]
            lines.append(f"  - cited: {short(citation.document)} page {citation.page}: “{quote}”")
        if not item.citations:
            lines.append(f"  - {item.outcome}: {item.answer[:SHOWN]}")
    return "\n".join(lines) + "\n"


def short(document: str) -> str:
    return Path(document).name.partition("_")[0].capitalize()


if __name__ == "__main__":
    main()
