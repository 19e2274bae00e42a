"""Evaluations: retrieval and answers measured on questions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import HTMLResponse

from guru.errors import InvalidParameter
from guru.evaluate.dataset import Question
from guru.evaluate.evaluations import Options
from guru.evaluate.options import QuestionOptions, RetrievalOptions, TuneOptions
from guru.evaluate.page import page
from guru.evaluate.store import Evaluation
from guru.gateway.identity import Caller
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, get, post
from guru.server.jobs_api import JobView, to_view
from guru.types import JSON

SECURITY_HEADERS = {"content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}


class RetrievalBody(RetrievalOptions, kw_only=True, forbid_unknown_fields=True):
    collection: str
    questions: list[Question]


class QuestionsBody(QuestionOptions, kw_only=True, forbid_unknown_fields=True):
    collection: str


class TuneBody(TuneOptions, kw_only=True, forbid_unknown_fields=True):
    collection: str
    questions: list[Question]


class Begun(Struct):
    evaluation: str
    """Its id: its report is at `/api/v1/evaluations/{id}` when the job is done."""
    job: JobView


class EvaluationQuery(Struct, forbid_unknown_fields=True):
    collection: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class EvaluationView(Struct, kw_only=True):
    id: str
    kind: str
    """`retrieval`, `questions` or `tune`."""
    collection: str
    job_id: str | None
    options: JSON
    created_at: datetime
    finished_at: datetime | None


class EvaluationDetail(EvaluationView, kw_only=True):
    report: JSON | None
    """None until the job is done."""


class EvaluationList(Struct):
    evaluations: list[EvaluationView]


@post("/api/v1/evaluations/retrieval", status=202)
async def evaluate_retrieval(call: Call, body: RetrievalBody) -> Begun:
    """Measure search, and with `answers` the answers, on questions whose answers are known: as a job."""
    return await begin(call, "retrieval", body.collection, options_of(body, RetrievalOptions), body.questions)


@post("/api/v1/evaluations/questions", status=202)
async def make_questions(call: Call, body: QuestionsBody) -> Begun:
    """Make questions from the documents of a collection, as a job: the report has them."""
    return await begin(call, "questions", body.collection, options_of(body, QuestionOptions), [])


@post("/api/v1/evaluations/tune", status=202)
async def tune(call: Call, body: TuneBody) -> Begun:
    """Try settings of search on questions whose answers are known, as a job."""
    return await begin(call, "tune", body.collection, options_of(body, TuneOptions), body.questions)


@get("/api/v1/evaluations")
async def list_evaluations(call: Call, query: EvaluationQuery) -> EvaluationList:
    """The newest first."""
    found = await call.services.evaluations.store.list(call.tenant, collection=query.collection, limit=query.limit)
    return EvaluationList([to_evaluation(item) for item in found])


@get("/api/v1/evaluations/{evaluation_id}")
async def show_evaluation(call: Call, evaluation_id: str) -> EvaluationDetail:
    """One of them, with its report."""
    found = await call.services.evaluations.store.get(call.tenant, evaluation_id)
    return EvaluationDetail(**msgspec.structs.asdict(to_evaluation(found)), report=found.report)


@get("/api/v1/evaluations/{evaluation_id}/report", media_type="text/html")
async def evaluation_report(call: Call, evaluation_id: str) -> Any:
    """The report of a `tune` as a page: quality against latency, and every setting."""
    found = await call.services.evaluations.store.get(call.tenant, evaluation_id)
    if found.kind != "tune" or found.report is None:
        message = "It has not ended." if found.kind == "tune" else f"A report of {found.kind!r} has no page."
        raise InvalidParameter(message, hint=f"Read /api/v1/evaluations/{evaluation_id}.")
    return HTMLResponse(page(found.report), headers=SECURITY_HEADERS)


@delete("/api/v1/evaluations/{evaluation_id}", status=204)
async def delete_evaluation(call: Call, evaluation_id: str) -> None:
    """Remove it with what came of its questions."""
    await call.services.evaluations.store.delete(call.tenant, evaluation_id)


async def begin(call: Call, kind: str, collection: str, options: Options, questions: list[Question]) -> Begun:
    caller = kept_caller(call.caller(f"evaluations.{kind}"))
    made, job = await call.services.evaluations.begin(
        call.tenant, kind, collection, options=options, caller=caller, questions=questions
    )
    return Begun(made, to_view(job))


def options_of(body: Struct, shape: type[Options]) -> Options:
    """The options alone of a body that has more."""
    return shape(**{name: getattr(body, name) for name in shape.__struct_fields__})


def kept_caller(caller: Caller) -> JSON:
    """What is kept of whoever begins an evaluation: all but what belongs to one request."""
    kept: JSON = msgspec.to_builtins(caller)
    return {name: value for name, value in kept.items() if name not in ("trace_id", "route", "headers", "cache")}


def to_evaluation(item: Evaluation) -> EvaluationView:
    return EvaluationView(
        id=item.id, kind=item.kind, collection=item.collection, job_id=item.job_id, options=item.options,
        created_at=moment(item.created_at), finished_at=moment(item.finished_at) if item.finished_at else None,
    )  # fmt: skip


DOORS = [
    evaluate_retrieval,
    make_questions,
    tune,
    list_evaluations,
    show_evaluation,
    evaluation_report,
    delete_evaluation,
]
