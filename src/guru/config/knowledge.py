"""How documents are read, cut, found and answered from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from guru.config.base import (
    Chunking,
    IndexKind,
    NotNegative,
    OcrLanguage,
    Percentile,
    Positive,
    Seconds,
    Section,
    Share,
)
from guru.types import RERANK_TOP, SIDE_WEIGHT, Fusion, SearchMode


class WebSettings(Section):
    """How web pages are fetched; robots.txt always holds."""

    max_pages: Positive = 1000
    """Of a sitemap; the others are left out, and that is said."""
    max_page_mb: Positive = 20
    """A bigger page or file is refused."""
    max_total_mb: Positive = 1000
    """Of all that one ingest fetches."""
    max_seconds: Seconds = 7200.0
    """For all that one ingest fetches."""
    timeout_seconds: Seconds = 60.0
    """A page that takes longer is given up."""
    concurrency: Positive = 2
    """Pages that are fetched at the same time."""
    delay_seconds: Annotated[float, Meta(ge=0)] = 0.5
    """Between two requests to one site; more where its robots.txt asks for more."""
    private_hosts: list[str] = []
    """Hosts (`wiki.corp`, `wiki.corp:8080`) that may have private or loopback addresses; all others may not."""


class S3Settings(Section):
    """Where `s3://bucket` is. Credentials come from where all of Amazon's tools look for them."""

    endpoint_url: str | None = None
    """Of a store that speaks S3, such as `http://minio:9000`; none: Amazon's own."""
    region: str | None = None
    """The region; none: as Amazon's own configuration says."""
    profile: str | None = None
    """The profile whose credentials are used; none: the usual order (variables, files, the machine's role)."""
    max_objects: Positive = 100_000
    """Of one bucket or prefix; the others are left out, and that is said."""


class MapReduceSettings(Section):
    """Limits of one answer over many documents. Documents beyond them are named in the answer."""

    documents: Positive = 50
    """How many documents are read, the most relevant ones."""
    passages: Positive = 3
    """Of each document, at most so many."""
    calls: Positive = 24
    """Calls of the model."""
    tokens: Positive = 120_000
    """Tokens that all of them may have, prompts and answers together, as estimated before each."""
    seconds: Seconds = 300.0
    """After which no further call begins, and those that run are given up."""
    concurrency: Positive = 4
    """Calls at the same time."""
    threshold: Share = 0.1
    """Confidence under which a document says nothing to the question."""


class VectorStoreSettings(Section):
    """Where vectors are kept by another program: see [stores](stores.md)."""

    url: str | None = None
    """The address of its server, such as `http://qdrant:6333`; of Pinecone, that of the index."""
    path: str | None = None
    """In place of a server: where it keeps its files in this process. Qdrant, Chroma and Milvus can do that."""
    api_key: str | None = None
    """The key. Write `"env:NAME"`, so that it stays out of the file."""
    timeout_seconds: Annotated[float, Meta(ge=1, le=600)] = 10.0
    """After which a server counts as away, and what it has is searched here."""
    grpc_url: str | None = None
    """Of Weaviate, where its gRPC is not on port 50051 of the same host."""
    tenant: str | None = None
    """Of Chroma, where it is not the usual one."""
    database: str | None = None
    """Of Chroma and Milvus, where it is not the usual one."""


class KnowledgeSettings(Section):
    chunking: Chunking = "recursive"
    """How documents are cut; a collection may choose another way: see [knowledge](knowledge.md#chunks)."""
    chunk_tokens: Positive = 200
    """The size of a chunk, in tokens of the embedding model; chosen by measurement."""
    chunk_overlap: NotNegative = 40
    """Tokens that a chunk shares with the one before it."""
    parent_tokens: Positive = 800
    """What is read around a chunk that was found, in tokens, where `chunking` is `hierarchical`."""
    semantic_percentile: Percentile = 90.0
    """Where `chunking` is `semantic`: the share, in per cent, of the gaps between sentences that are not cut."""
    embedding_cache_mb: NotNegative = 512
    """Vectors of texts that were embedded before, so that no model is asked twice for the same; 0: none are kept."""
    embedding_cache_days: Positive = 30
    """Those that were not used for so long are removed."""
    previous_vectors_days: Positive = 7
    """How long a collection that has changed its embedding model can go back, and takes the room of both."""
    passages: Positive = 6
    """How many passages an answer may draw on."""
    mode: SearchMode = "hybrid"
    """How every search looks that does not say it: by meaning (`dense`), by words (`sparse`), or by both."""
    fusion: Fusion = "learned"
    """How scores become one in every search that does not say it: see
    [other ways to rank](knowledge.md#other-ways-to-rank)."""
    dense_weight: Share = SIDE_WEIGHT
    """Of the dense side, where `fusion` is `rrf` or `weighted`."""
    sparse_weight: Share = SIDE_WEIGHT
    """Of the sparse side."""
    threshold: Share = 0.24
    """Confidence under which the answer is "not in the documents"; benchmarks/answers.md shows the curve."""
    reader: bool = True
    """Whether a small model reads the passages that were found: it orders them, finds the words that answer, and tells
    what is not there."""
    max_file_mb: Positive = 200
    """A bigger file is refused, by name."""
    max_archive_mb: Positive = 1024
    """A ZIP archive that is bigger is refused; of one that unpacks to more, the members beyond are."""
    ocr_languages: list[OcrLanguage] = field(default_factory=lambda: ["eng"])
    """Tesseract's names of the languages in pictures and scanned pages, such as `["eng", "deu"]`; `[]`: no OCR."""
    ocr_timeout_seconds: Seconds = 1800.0
    """Recognising the text of one file may take so long, all its pages together."""
    parse_timeout_seconds: Seconds = 120.0
    """A file that takes longer to read is refused."""
    parse_memory_mb: Positive = 2048
    """Memory that reading one file may take."""
    follow_ups: Literal["join", "model"] = "join"
    """What is searched for after a question that leans on the one before: both of them, or one that a model writes."""
    query_model: str | None = None
    """The model that writes queries. None: the one that answers, or `default` for a search alone."""
    query_tokens: Positive = 256
    """Tokens that it may write for each question that it is asked."""
    query_seconds: Seconds = 10.0
    """After which the question is searched for as it is."""
    rerank: str = "off"
    """The model that reorders the best passages of every search that does not say which: such as `rerank`."""
    rerank_top: Annotated[int, Meta(ge=1, le=200)] = RERANK_TOP
    """How many of them it reads."""
    rerank_weight: Share | None = None
    """Its share in their order, where `fusion` is `learned`. None: what suits the model, a half for the local one."""
    rerank_seconds: Seconds = 20.0
    """After which the order is the one before."""
    source_order: Literal["ranked", "edges"] = "ranked"
    """Where the best passages stand in the prompt: `edges` puts them first and last, the others between, for models
    that overlook what is in the middle. Small models are shown the best alone."""
    conflicts: bool = True
    """Whether an answer says where its sources disagree."""
    map_reduce: MapReduceSettings = field(default_factory=MapReduceSettings)
    """Limits of answers over many documents."""
    ray: str | None = None
    """The Ray cluster that parses and embeds, such as `10.0.0.5:6379`, or `local` for the cores of this machine; None:
    this process. A command may name another."""
    web: WebSettings = field(default_factory=WebSettings)
    """How web pages are fetched."""
    s3: S3Settings = field(default_factory=S3Settings)
    """Where buckets are."""
    index: IndexKind = "embedded"
    """What finds the passages of collections that have not been moved elsewhere: see [stores](stores.md)."""
    qdrant: VectorStoreSettings | None = None
    """Where Qdrant is."""
    milvus: VectorStoreSettings | None = None
    """Where Milvus is."""
    weaviate: VectorStoreSettings | None = None
    """Where Weaviate is."""
    pinecone: VectorStoreSettings | None = None
    """Where the index of Pinecone is."""
    chroma: VectorStoreSettings | None = None
    """Where Chroma is."""
