"""Evaluations, as durable jobs: begun, run, listed, removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from guru.config import KnowledgeSettings
from guru.evaluate.corpus import Ask, Corpus, Find, Support, Vectors
from guru.evaluate.dataset import Question, check_all
from guru.evaluate.making import make_questions
from guru.evaluate.measuring import measure_retrieval
from guru.evaluate.options import QuestionOptions, RetrievalOptions, TuneOptions
from guru.evaluate.settings import current_setting, settings_of
from guru.evaluate.store import Evaluation, EvaluationStore
from guru.evaluate.tuning import prefix, tune
from guru.evaluate.work import Kind, Work
from guru.store.database import Database
from guru.store.jobs import Job, JobRun, Jobs
from guru.types import JSON

JOB: Final = "evaluation"
AskAs = Callable[[JSON, str], Ask]
"""How models are asked as a caller, as the evaluation keeps them, at the door of that kind."""
FindAs = Callable[[JSON, str], Find]
"""How collections are searched as such a caller."""
Options = RetrievalOptions | QuestionOptions | TuneOptions
KINDS: Final[dict[str, Kind]] = {"retrieval": measure_retrieval, "questions": make_questions, "tune": tune}


class Evaluations:
    """The evaluations of every tenant."""

    def __init__(
        self, database: Database, jobs: Jobs, corpus: Corpus, *, ask_as: AskAs, find_as: FindAs, support: Support,
        vectors: Vectors, knowledge: KnowledgeSettings,
    ) -> None:  # fmt: skip
        """`knowledge` is how documents are searched and answered from where nothing else is said."""
        self.store = EvaluationStore(database)
        self._jobs = jobs
        self._corpus = corpus
        self._ask_as = ask_as
        self._find_as = find_as
        self._support = support
        self._vectors = vectors
        self._knowledge = knowledge
        jobs.handle(JOB, self.run)

    async def begin(
        self, tenant: str, kind: str, collection: str, *, options: Options, caller: JSON, questions: Sequence[Question]
    ) -> tuple[str, Job]:
        """Queue an evaluation; returns its id and its job. Raises `NotFound` and `InvalidParameter`."""
        if kind != "questions":
            check_all(questions)
        await self._corpus.check(tenant, collection)
        if isinstance(options, TuneOptions):  # what is too much is said before any of it is done
            cut, _ = await self._corpus.cut_of(tenant, collection)
            settings_of(options, current_setting(self._knowledge, cut), self._knowledge)
        kept: JSON = msgspec.to_builtins(options)
        made = await self.store.create(tenant, kind, collection, options=kept, caller=caller, questions=questions)
        job = await self._jobs.submit(tenant, JOB, {"evaluation": made, "kind": kind}, subject=collection)
        await self.store.change(tenant, made, job_id=job.id)
        return made, job

    async def run(self, run: JobRun) -> JSON:
        """The handler of the job. Called again after a kill, it goes on with what has no result yet."""
        evaluation = await self.store.get(run.job.tenant, run.job.arguments["evaluation"])
        if evaluation.report is None:
            if evaluation.kind == "tune":
                await self._remove_left_copies(evaluation.tenant)
            report = await KINDS[evaluation.kind](self._work(evaluation, run))
            values = {"report": report, "finished_at": time.time()}
            await self.store.change(evaluation.tenant, evaluation.id, **values)
        return {"evaluation": evaluation.id}

    async def _remove_left_copies(self, tenant: str) -> None:
        """Those of tunings that ended without removing them: killed, and then cancelled or given up."""
        names = [name for name in await self._corpus.collections(tenant) if name.startswith("eval-")]
        for evaluation in await self.store.list(tenant, limit=500) if names else []:
            mine = [name for name in names if name.startswith(prefix(evaluation.id))]
            if mine and evaluation.job_id and (await self._jobs.get(tenant, evaluation.job_id)).ended:
                for left in mine:
                    await self._corpus.drop(tenant, left)

    def _work(self, evaluation: Evaluation, run: JobRun) -> Work:
        return Work(
            evaluation=evaluation, store=self.store, corpus=self._corpus,
            ask=self._ask_as(evaluation.caller, evaluation.kind),
            find=self._find_as(evaluation.caller, evaluation.kind), support=self._support, vectors=self._vectors,
            knowledge=self._knowledge, progress=run.progress, made=dict(run.job.progress),
        )  # fmt: skip
