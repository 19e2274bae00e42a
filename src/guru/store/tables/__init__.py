"""Every table. A row belongs to a tenant, and every query says which. Times are seconds since 1970, UTC."""

from guru.store.tables.agents import agent_marks, agent_runs, agent_steps, agents
from guru.store.tables.base import metadata
from guru.store.tables.batches import batch_lines, batches, files
from guru.store.tables.conversations import conversations, messages
from guru.store.tables.evaluations import evaluation_items, evaluations
from guru.store.tables.identity import api_keys, audit_entries, audit_heads, identity_generation, teams, users
from guru.store.tables.indexes import index_entries, index_marks
from guru.store.tables.jobs import jobs
from guru.store.tables.knowledge import (
    chunk_vectors,
    chunks,
    collections,
    document_access,
    document_texts,
    documents,
    embeddings,
)
from guru.store.tables.mcp import mcp_mail, mcp_sessions, mcp_streams, mcp_tasks, mcp_tools
from guru.store.tables.memory import memories, memory_notes
from guru.store.tables.prompts import prompt_labels, prompt_moves, prompt_versions, prompts
from guru.store.tables.releases import (
    feedback,
    model_versions,
    release_changes,
    release_counts,
    releases,
    shadow_answers,
)
from guru.store.tables.responses import responses
from guru.store.tables.summaries import summaries
from guru.store.tables.traces import traces
from guru.store.tables.usage import usage
from guru.store.tables.workflows import workflow_runs, workflow_steps, workflow_versions, workflows

__all__ = [
    "agent_marks",
    "agent_runs",
    "agent_steps",
    "agents",
    "api_keys",
    "audit_entries",
    "audit_heads",
    "batch_lines",
    "batches",
    "chunk_vectors",
    "chunks",
    "collections",
    "conversations",
    "document_access",
    "document_texts",
    "documents",
    "embeddings",
    "evaluation_items",
    "evaluations",
    "feedback",
    "files",
    "identity_generation",
    "index_entries",
    "index_marks",
    "jobs",
    "mcp_mail",
    "mcp_sessions",
    "mcp_streams",
    "mcp_tasks",
    "mcp_tools",
    "memories",
    "memory_notes",
    "messages",
    "metadata",
    "model_versions",
    "prompt_labels",
    "prompt_moves",
    "prompt_versions",
    "prompts",
    "release_changes",
    "release_counts",
    "releases",
    "responses",
    "shadow_answers",
    "summaries",
    "teams",
    "traces",
    "usage",
    "users",
    "workflow_runs",
    "workflow_steps",
    "workflow_versions",
    "workflows",
]
