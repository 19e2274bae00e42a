"""Whether answers cite the right page of a PDF: 40 questions on company reports, more than half of them on tables.

    python benchmarks/pages.py --pdfs DIR [--home DIR] [--model NAME] [--questions N]

DIR holds the files that `pdf_questions.json` names, which also says on which pages each answer stands: often one, or
all that say the same. They are ingested into a fresh home, and every question takes the road that `guru ask` takes,
with the default models and settings. All misses are listed, with what was cited instead.
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
from answers import finish, pull
from bench import RESULTS, TENANT, squad_words

from guru.config import load_settings
from guru.gateway.identity import Caller
from guru.server.app import open_services
from guru.server.services import Services
from guru.store.ids import new_id
from guru.types import ChatRequest, Citation, Cited, Completed, Delta, Grounding, Message

QUESTIONS = Path(__file__).with_name("pdf_questions.json")
COLLECTION = "pages"
SHOWN = 160
"""Characters of a quote in the list of misses."""


class Asked(msgspec.Struct):
    question: dict[str, Any]
    answer: str
    citations: list[Citation]
    outcome: str

    @property
    def first(self) -> bool:
        return bool(self.citations) and self._is_right(self.citations[0])

    @property
    def any(self) -> bool:
        return any(map(self._is_right, self.citations))

    @property
    def quoted(self) -> bool:
        """Whether the words of the answer stand in a quote, one after the other."""
        return any(follow(squad_words(self.question["answer"]), squad_words(c.quote)) for c in self.citations)

    def _is_right(self, citation: Citation) -> bool:
        same = Path(citation.document).name == self.question["document"]
        return same and citation.page in self.question["pages"]


def follow(words: list[str], text: list[str]) -> bool:
    return any(text[start : start + len(words)] == words for start in range(len(text) - len(words) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdfs", type=Path, required=True)
    parser.add_argument("--home", type=Path, help="kept; without it a temporary one")
    parser.add_argument("--model", default="default")
    parser.add_argument("--questions", type=int, help="only the first N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="guru-pages-") as folder:
        asked = asyncio.run(run(arguments, (arguments.home or Path(folder)).absolute()))
    report = table(asked)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pages.json").write_bytes(msgspec.json.format(msgspec.json.encode(asked)))
    (RESULTS / "pages.md").write_text(report)
    print(report)


async def run(arguments: argparse.Namespace, home: Path) -> list[Asked]:
    content = json.loads(QUESTIONS.read_text("utf-8"))
    paths = [arguments.pdfs / name for name in content["documents"]]
    for path, digest in zip(paths, content["documents"].values(), strict=True):
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{path.name} is another file than the questions were written for.")
    async with open_services(home, load_settings(home=home)) as services:
        await finish(services, await services.knowledge.ingest.submit_paths(TENANT, COLLECTION, list(map(str, paths))))
        if arguments.model == "default":
            await pull(services, "smollm2-135m")
        return [await ask(services, arguments.model, each) for each in content["questions"][: arguments.questions]]


async def ask(services: Services, model: str, question: dict[str, Any]) -> Asked:
    request = ChatRequest(
        model=model,
        messages=[Message("user", question["question"])],
        guru=Grounding(COLLECTION),
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
    kinds = {
        "all": asked,
        "in tables": [item for item in asked if item.question["table"]],
        "in prose": [item for item in asked if not item.question["table"]],
    }
    for kind, items in kinds.items():
        counts = [sum(getattr(item, name) for item in items) for name in ("first", "any", "quoted")]
        declined = sum(not item.citations for item in items)
        lines.append(f"| {kind} | {len(items)} | {' | '.join(map(str, counts))} | {declined} |")
    missed = [item for item in asked if not (item.first and item.quoted)]
    lines += ["", f"Misses, in the page of the first citation or the words of the quote: {len(missed)}", ""]
    for item in missed:
        wanted = item.question
        pages = ", ".join(map(str, wanted["pages"]))
        lines.append(f"- {wanted['question']} Wanted: {wanted['answer']}, {short(wanted['document'])} page {pages}.")
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
