"""What the doors work with. `guru.server.app` builds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from guru.agents.memory.memories import Memories
from guru.agents.tools.catalogue import Catalogue
from guru.config import Settings
from guru.evaluate.evaluations import Evaluations
from guru.gateway.batches.batches import Batches
from guru.gateway.batches.files import Files
from guru.gateway.conversations import Conversations
from guru.gateway.cost.ledger import Ledger
from guru.gateway.identity import Audit, Changes, Directory
from guru.gateway.limits import Limiter
from guru.gateway.pipeline import Road
from guru.gateway.releases import Feedback, Releases
from guru.gateway.responses import Responses
from guru.gateway.routing import Router
from guru.observe.metrics import Metrics
from guru.observe.traces import Tracer
from guru.prompts.folder import Folder
from guru.prompts.library import Library as PromptLibrary
from guru.server.answerers import Answerers
from guru.server.library import Library
from guru.server.reload import Reloader
from guru.server.throttle import Throttle
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs

if TYPE_CHECKING:
    from guru.agents.retention import Retention
    from guru.agents.workflows.workflows import Workflows
    from guru.knowledge.around.summaries import Summaries
    from guru.knowledge.base import KnowledgeBase
    from guru.knowledge.parse.sandbox import ParsePool
    from guru.server.mcp import Mcp
    from guru.server.running_agents import Agents


@dataclass
class Services:
    """One server's parts, open and ready."""

    home: Path
    settings: Settings
    database: Database
    blobs: BlobStore
    jobs: Jobs
    models: Library
    parser: ParsePool
    knowledge: KnowledgeBase
    tracer: Tracer
    metrics: Metrics
    road: Road
    answerers: Answerers
    router: Router
    releases: Releases
    feedback: Feedback
    conversations: Conversations
    memories: Memories
    responses: Responses
    files: Files
    batches: Batches
    evaluations: Evaluations
    summaries: Summaries
    tools: Catalogue
    agents: Agents
    prompts: PromptLibrary
    prompt_folder: Folder
    workflows: Workflows
    retention: Retention
    reloader: Reloader
    ledger: Ledger
    directory: Directory
    changes: Changes
    audit: Audit
    limiter: Limiter
    mcp: Mcp
    closing: asyncio.Event
    """Set when the server begins to stop: streams that only watch end then."""
    logins: Throttle = field(default_factory=Throttle)
