"""Names of spans' attributes, in one place because their standard still moves.

`gen_ai.*` are the OpenTelemetry semantic conventions for generative AI (in development); `guru.*` are ours.
"""

from __future__ import annotations

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_PARAMETERS: Final = "guru.request.parameters"
"""Sampling parameters that were not left at their defaults."""
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
"""The prompt as it was sent."""
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOLS: Final = "gen_ai.tool.definitions"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
ERROR_TYPE: Final = "error.type"

USAGE_ESTIMATED: Final = "guru.usage.estimated"
"""True when the request ended before the model said what it used."""
COST: Final = "guru.cost"
TIMINGS: Final = "guru.timings"
"""What the model measured, in seconds: queue, first_token, total; and tokens_per_second."""
METADATA: Final = "guru.request.metadata"
"""What the caller attached, such as the conversation."""
COLLECTION: Final = "gen_ai.data_source.id"
QUERY: Final = "gen_ai.retrieval.query.text"
HITS: Final = "gen_ai.retrieval.documents"
"""The passages found, with the score of every stage."""
SEARCH_MODE: Final = "guru.search.mode"
SEARCH_OPTIONS: Final = "guru.search.options"
"""Those that are not the defaults."""
SEARCH_QUERIES: Final = "guru.search.queries"
"""What was searched for besides the question."""
SEARCH_NOTES: Final = "guru.search.notes"
"""What a model should have done for the search and has not."""
NOTES: Final = "guru.answer.notes"
"""What the answerer decided on the way, in order: `name` and `value`."""
OUTCOME: Final = "guru.answer.outcome"
CONFIDENCE: Final = "guru.answer.confidence"
CITATIONS: Final = "guru.answer.citations"
UNSUPPORTED: Final = "guru.answer.unsupported"
CONTEXT_CHANGE: Final = "guru.context"
"""Of the whole trace: what was done to a prompt that was too long, as the answer's `guru.context` says it."""
MEMORY: Final = "guru.memory"
"""Of the whole trace: which memories were shown to the model, with their scores, and which were kept; by their ids."""
PROMPT_NAME: Final = "gen_ai.prompt.name"
"""Of the library's prompt that a request began with, as are the next two."""
PROMPT_VERSION: Final = "guru.prompt.version"
PROMPT_LABEL: Final = "guru.prompt.label"
PROMPT_VOTES: Final = "guru.prompt.votes"
"""Of how many samples how many agreed with the answer."""
ERROR_MESSAGE: Final = "error.message"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
TOOL_FAILED: Final = "guru.tool.failed"

CONTENT: Final = frozenset({
    INPUT_MESSAGES, OUTPUT_MESSAGES, TOOLS, QUERY, SEARCH_QUERIES, HITS, CITATIONS, UNSUPPORTED, NOTES, METADATA,
    TOOL_ARGUMENTS, TOOL_RESULT,
})  # fmt: skip
"""What people and models wrote."""
