/** The shapes of Guru's API, as the pages use them. Offsets count Unicode code points. */

export interface Citation {
  n: number;
  document: string;
  document_id: string;
  page: number | null;
  start: number;
  end: number;
  quote: string;
  score: number;
  /** The words of the quote that answer, as the reader sees it. */
  answer?: { start: number; end: number; text: string } | null;
}

export interface Conflict {
  kind: "value" | "date" | "name" | "negation";
  /** The newest first. */
  positions: { n: number; says: string; document: string; date?: string | null }[];
}

export interface Progress {
  stage: "map" | "reduce";
  done: number;
  total: number;
  answered: number;
  unread: { document: string; reason: string }[];
}

export interface Hit {
  rank: number;
  score: number;
  document: string;
  document_id: string;
  page: number | null;
  start: number;
  end: number;
  text: string;
  heading_path: string[];
  title: string | null;
  stages: Record<string, number | null>;
}

export interface ApiErrorBody {
  type?: string;
  code?: string | null;
  message: string;
  hint?: string | null;
  trace_id?: string | null;
  /** What of the request is wrong, such as `max_steps`. */
  param?: string | null;
  /** Of the answer; 0 when there was none. */
  status?: number;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export interface Message {
  id: string;
  parent_id: string | null;
  role: "user" | "assistant";
  content: string;
  citations: Citation[];
  unsupported: { start: number; end: number }[];
  conflicts: Conflict[];
  /** Of an answer over many documents. */
  progress?: Progress | null;
  outcome: "answered" | "quoted" | "declined" | null;
  confidence?: number | null;
  model: string | null;
  usage: Usage | null;
  timings?: Record<string, number>;
  cost?: number;
  trace_id: string | null;
  status: "complete" | "streaming" | "interrupted" | "failed";
  error: ApiErrorBody | null;
  created_at: string;
  /** Passages found, known only while the answer streams. */
  hits?: Hit[];
}

export interface Conversation {
  id: string;
  title: string | null;
  collection: string | null;
  model: string | null;
  memory: boolean | null;
  created_at: string;
  updated_at: string;
  messages?: Message[];
}

export interface Collection {
  name: string;
  documents: number;
  chunks: number;
  bytes: number;
  embedding_model: string | null;
  /** Whether new collections get another model. */
  outdated: boolean;
  /** Whether its model can be asked. */
  available: boolean;
  /** The model that it can go back to. */
  previous_model: string | null;
  created_at: string;
  updated_at: string;
  settings: ChunkSettings;
  own: string[];
}

export interface ChunkSettings {
  chunking: string;
  chunk_tokens: number;
  chunk_overlap: number;
  parent_tokens: number;
  semantic_percentile: number;
}

export interface DocumentInfo {
  id: string;
  name: string;
  collection?: string;
  title: string | null;
  author: string | null;
  language: string | null;
  media_type: string;
  pages: number | null;
  bytes: number;
  chunks: number;
  characters?: number;
  created: string | null;
  modified: string | null;
  ingested_at: string;
  metadata: Record<string, unknown>;
  warnings: string[];
  page_spans?: unknown[];
  headings?: unknown[];
}

export interface Chunk {
  id: number | string;
  ordinal: number;
  page: number | null;
  start: number;
  end: number;
  tokens: number;
  heading_path: string[];
  text: string;
}

export interface CutChunk {
  ordinal: number;
  page: number | null;
  start: number;
  end: number;
  tokens: number;
  heading_path: string[];
  /** Characters at its beginning that the chunk before it has as well. */
  shared: number;
  text: string;
  parent: { start: number; end: number } | null;
  header: string | null;
}

/** How a text, a file or a document would be cut. */
export interface Cut extends Omit<ChunkSettings, "chunking"> {
  document: string;
  strategy: string;
  characters: number;
  chunks: CutChunk[];
  warnings: string[];
  seconds: number;
}

export interface Topic {
  number: number;
  label: string;
  words: string[];
  size: number;
  share: number;
  cohesion: number;
}

export interface AnomalyReason {
  kind: "far" | "language" | "short" | "repeated" | "garbled";
  text: string;
}

export interface Dot {
  id: string;
  name: string;
  title: string | null;
  topic: number;
  /** Each within -1 to 1. */
  x: number;
  y: number;
  similarity: number;
  anomaly: AnomalyReason[] | null;
}

/** The documents of a collection on a plane. */
export interface CollectionMap {
  topics: { count: number; empty: number; silhouette: number | null; sampled: number | null; topics: Topic[] };
  dots: Dot[];
  anomalies: number;
}

/** What documents say in short; each sentence with the places that stand behind it. */
export interface Summary {
  method: "extractive" | "model";
  model: string | null;
  sentences: { text: string; sources: { document_id: string; document: string; page: number | null; start: number; end: number; quote: string }[] }[];
  dropped: string[];
  documents: number;
  of: number;
  note: string | null;
}

/** A prompt of the library. */
export interface Prompt {
  name: string;
  latest: number;
  /** The version that each label stands for. */
  labels: Record<string, number>;
  file: string | null;
  created_at: string;
  updated_at: string;
}

export interface PromptDetail extends Prompt {
  /** The newest first, as are the moves of labels. */
  versions: { version: number; author: string; notes: string; created_at: string }[];
  moves: { label: string; before: number | null; after: number | null; author: string; at: string }[];
  protected: string[];
}

export interface PromptVariable {
  type?: "string" | "number" | "integer" | "boolean" | "list" | "object";
  description?: string;
  required?: boolean;
  default?: unknown;
  choices?: unknown[];
}

export interface PromptDefinition {
  messages: { role: string; content: string }[];
  variables?: Record<string, PromptVariable>;
  examples?: { items: { input: unknown; output: string }[]; choose?: string; count?: number };
  output_schema?: unknown;
  description?: string;
  role?: string;
  constraints?: string[];
  chain_of_thought?: boolean | string;
  self_consistency?: { samples?: number };
  model?: string;
  sampling?: Record<string, any>;
}

/** Something in a prompt that is not kept yet, for which it would be refused. */
export interface PromptProblem {
  message: string;
  hint: string | null;
  param: string | null;
}

export interface DraftVariable {
  name: string;
  type: string;
  description: string;
  required: boolean;
  /** The default, as it is typed. */
  value: string;
  choices: string;
  /** Somebody has written something about it: it stays when no message names it. */
  kept: boolean;
}

export interface DraftExample {
  key: number;
  input: string;
  output: string;
  /** Whether `input` is an object with values of variables. */
  values: boolean;
}

/** What the fields of the editor hold. */
export interface PromptDraft {
  messages: { key: number; role: string; content: string }[];
  variables: DraftVariable[];
  examples: DraftExample[];
  choose: string;
  count: string;
  schema: string;
  description: string;
  role: string;
  constraints: string;
  steps: boolean;
  samples: string;
  model: string;
  [number: string]: any;
}

export interface PromptVersion {
  name: string;
  version: number;
  author: string;
  notes: string;
  created_at: string;
  labels: string[];
  definition: PromptDefinition;
}

export interface PromptDifference {
  place: string;
  kind: "added" | "removed" | "changed";
  unified: string;
}

export interface Job {
  id: string;
  kind: string;
  collection: string | null;
  status: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: {
    total?: number;
    done?: number;
    skipped?: number;
    failed?: number;
    removed?: number;
    chunks?: number;
    embedded?: number;
    reused?: number;
    current?: string | null;
  } | null;
  result: {
    documents: number;
    chunks: number;
    skipped: number;
    removed?: number;
    failed: { path: string; error: string }[];
    /** Files of a kind that is not read. */
    ignored?: { path: string; reason: string }[];
    seconds: number;
  } | null;
  error: ApiErrorBody | string | null;
}

export interface Model {
  name: string;
  kind: "chat" | "embedding" | "agent";
  status: "ready" | "available" | "not installed";
  description?: string;
  aliases?: string[];
}

export interface Highlight {
  page: number;
  width: number;
  height: number;
  rects: { x: number; y: number; width: number; height: number }[];
}

export interface TraceRow {
  id: string;
  route: string;
  model: string | null;
  status: string;
  started_at: string;
  duration: number | null;
  first_token: number | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  cost: number | null;
  preview: string | null;
  unpriced_calls: number;
}

export interface Span {
  id: string;
  parent_id: string | null;
  name: string;
  start: number;
  end: number | null;
  status: string;
  attributes: Record<string, unknown>;
}

export interface Trace extends TraceRow {
  spans: Span[];
}

export interface UsageTotals {
  requests: number;
  errors: number;
  cancelled: number;
  cached_exact: number;
  cached_semantic: number;
  cached_stale: number;
  calls: number;
  unpriced_calls: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  /** US dollars; null where no price is known. */
  cost: number | null;
}

export interface UsageRow extends UsageTotals {
  day?: string;
  /** The group that was asked for, such as `model`. */
  [group: string]: any;
}

export interface UsageReport {
  from: string;
  to: string;
  group_by: string[];
  rows: UsageRow[];
  total: UsageTotals;
  next: number | null;
}

export interface ApiKey {
  id: string;
  name: string;
  /** The key itself: only in the answer that makes it. */
  key?: string;
  prefix: string;
  status: string;
  role: string;
  team: string | null;
  user: string | null;
  models: string[];
  limits: Limits | null;
  budget: Budget | null;
  configured: boolean;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface Limits {
  rpm?: number | null;
  tpm?: number | null;
  concurrency?: number | null;
}

export interface Budget {
  usd: number;
  per: string;
}

/** Whoever may use something: a key, a team or a user. */
export interface Holder {
  name: string;
  models?: string[];
  limits: Limits | null;
  budget: Budget | null;
  configured?: boolean;
  [field: string]: any;
}

export interface Team extends Holder {
  models: string[];
  configured: boolean;
}

export interface User extends Holder {
  role: string;
  team: string | null;
  disabled: boolean;
}

export interface AuditEntry {
  number: number;
  at: string;
  actor: string;
  actor_name: string;
  action: string;
  subject: string;
  subject_name: string;
  before: any;
  after: any;
  hash: string;
}

export interface Verified {
  ok: boolean;
  entries: number;
  head: string;
  problem: string | null;
  number: number | null;
}

export interface Deployment {
  model: string;
  label: string | null;
  weight: number;
  available: boolean;
  why_not: string | null;
  breaker: "closed" | "open" | "half-open";
  opened: number;
  /** Seconds until the breaker lets a request pass, and that the provider asked for. */
  opens_in: number;
  rests_for: number;
  alive: boolean | null;
  in_flight: number;
  concurrency: number | null;
  requests: number;
  failures: number;
  cancelled: number;
  errors: Record<string, number>;
  last_error: string | null;
  first_token: number | null;
  /** US dollars for a million tokens; null where it is not known. */
  price: { input: number; output: number } | null;
}

export interface Route {
  name: string;
  strategy: string;
  fallbacks: string[];
  deployments: Deployment[];
}

export interface Comparison {
  metric: "errors" | "latency" | "cost" | "quality";
  candidate: number | null;
  baseline: number | null;
  allowed: number;
  difference: number | null;
  at_least: number | null;
  at_most: number | null;
  verdict: "worse" | "better" | "within" | "unclear";
}

export interface ReleaseSide {
  requests: number;
  errors: number;
  cost: number;
  scores: number;
}

export interface Release {
  id: string;
  alias: string;
  candidate: string;
  version: number;
  baseline: string | null;
  kind: "ab" | "canary" | "blue-green" | "shadow";
  status: "running" | "promoted" | "rolled-back" | "stopped";
  active: boolean;
  share: number;
  steps: number[];
  sticky: string;
  flags: string[];
  reason: string | null;
  started_at: string;
  changed_at: string;
  sides: { candidate: ReleaseSide; baseline: ReleaseSide };
  comparisons: Comparison[];
}

export type MemoryKind = "summary" | "user" | "episode" | "fact";

export interface Memory {
  id: string;
  kind: MemoryKind;
  text: string;
  importance: number;
  attribute: string | null;
  /** `person`, `rules`, `tool` or the name of a model. */
  by: string;
  source: { conversation: string | null; message: string | null; start: number | null; end: number | null; quote: string | null; run: string | null };
  repeats: number;
  created_at: string;
  updated_at: string;
  used_at: string;
  superseded_at: string | null;
  superseded_by: string | null;
  /** Of a search: why it was found. */
  why?: string | null;
}

export interface WorkflowItem {
  name: string;
  version: number;
  description: string;
  created_at: string;
  updated_at: string;
}

export interface WorkflowNode {
  id: string;
  name: string;
  kind: string;
  about: string;
  x: number;
  y: number;
  width: number;
  height: number;
  within: string | null;
}

export interface WorkflowGraph {
  width: number;
  height: number;
  nodes: WorkflowNode[];
  edges: { source: string; target: string; kind: string; label: string; points: [number, number][] }[];
}

export interface Workflow extends WorkflowItem {
  latest: number;
  made_by: string;
  definition: Record<string, any>;
  graph: WorkflowGraph;
  versions: { version: number; made_by: string; created_at: string }[];
}

export interface WorkflowAsk {
  id: string;
  title: string;
  text?: string;
  decisions?: string[];
  form?: Record<string, any> | null;
}

export interface WorkflowStep {
  path: string;
  name: string;
  kind: string;
  status: string;
  next: string | null;
  error: string | null;
  cause: string | null;
  attempts: { started_at: string; finished_at: string | null; error: string | null; cause: string | null }[];
  ask: WorkflowAsk | null;
  agent_run: string | null;
  wake_at: string | null;
  started_at: string;
  finished_at: string | null;
  input?: unknown;
  output?: unknown;
  answers?: Record<string, any>;
}

export interface WorkflowRun {
  id: string;
  workflow: string;
  version: number;
  owner: string;
  status: "queued" | "running" | "waiting" | "done" | "failed" | "cancelled";
  error: string | null;
  cause: string | null;
  wake_at: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  input?: unknown;
  output?: unknown;
  steps?: WorkflowStep[];
  graph?: WorkflowGraph | null;
}

/** The settings of an agent; those that the page does not show are kept as they are. */
export interface Agent {
  name: string;
  description: string;
  model: string;
  instructions: string;
  strategy: string;
  tools: string[];
  agents: string[];
  approve: string[];
  untrusted: string;
  [setting: string]: any;
}

export interface KnownAgent {
  agent: Agent;
  /** Whether it stands in the configuration. */
  configured: boolean;
  owner: string;
}

export interface ToolInfo {
  name: string;
  description: string;
  effect: "none" | "read" | "write";
  /** Whether every call waits for a person. */
  approval: boolean;
}

export type RunStatus = "queued" | "running" | "pausing" | "paused" | "waiting" | "done" | "failed" | "cancelled";

export interface AgentRun {
  id: string;
  agent: string;
  status: RunStatus;
  input: string;
  answer: string | null;
  error: string | null;
  hint: string | null;
  steps: number;
  tokens: number;
  cost: number;
  seconds: number;
  traces: string[];
  /** `person`, `schedule`, `webhook`, `document:...`, or the id of the run that it replays. */
  cause: string;
  created_at: string;
  finished_at: string | null;
}

export interface AgentRunDetail extends AgentRun {
  log: RunStep[];
  definition: { agent: Agent; team: Record<string, Agent> };
}

/** What was done at the same time has the same number. */
export interface RunStep {
  number: number;
  part: number;
  kind: "model" | "tool" | "choice" | "person";
  name: string;
  status: "begun" | "asking" | "waiting" | "done";
  request: Record<string, any>;
  result: Record<string, any> | null;
  reason: string | null;
  decision: { say: string; text?: string } | null;
  asked: RunAsked | null;
  begun_at: string;
  ended_at: string | null;
}

/** What the MCP server of a tool asks during a call; all texts are its own. */
export interface RunAsked {
  server: string;
  message: string;
  /** Of its form; null for an address. */
  schema: Record<string, any> | null;
  url: string | null;
  warnings: string[];
  until: string | null;
  said: string | null;
}

export interface Decision {
  say: "yes" | "no" | "done" | "cancel";
  text?: string;
  arguments?: Record<string, unknown>;
  content?: Record<string, unknown>;
}
