"""Documented samples of requests and of answers besides chat, and events of every kind: what the fuzzer mutates."""

from guru.tasks import (
    EmbeddingRequest,
    ImageRequest,
    ModerationRequest,
    RerankRequest,
    SpeechRequest,
    TranscriptionRequest,
)
from guru.types import (
    Citation,
    Cited,
    Completed,
    Delta,
    Finished,
    Started,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Unsupported,
    Usage,
)

# --------------------------------------------------------------------------- requests

RESPONSES = {
    "model": "m", "instructions": "Be brief.", "stream": True, "stream_options": {"include_usage": True},
    "input": [
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Look:"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "7"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "So.", "annotations": []},
                                          {"type": "refusal", "refusal": "No."}]},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
              {"type": "web_search"}],
    "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": True,
    "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"}, "include": ["message.output_text.logprobs"],
    "max_output_tokens": 9, "metadata": {"a": "b"}, "store": False, "temperature": 0.5, "top_p": 0.5, "user": "u",
    "top_logprobs": 2, "previous_response_id": "resp_1", "truncation": "auto", "background": False,
}  # fmt: skip
TEXT = {
    "model": "m", "prompt": ["a", "b"], "suffix": "z", "echo": True, "logprobs": 2, "max_tokens": 9, "n": 2,
    "stop": ["x"], "temperature": 0.5, "stream": True, "stream_options": {"include_usage": True}, "seed": 3,
    "logit_bias": {"17": 3}, "user": "u", "best_of": 2, "vendor": {"deep": [1]},
}  # fmt: skip
GENERATE = {
    "model": "m", "prompt": "def f(", "suffix": "z", "system": "s", "images": ["AA=="], "format": "json", "raw": False,
    "think": True, "stream": True, "keep_alive": -1, "context": [1, 2], "template": "t", "truncate": True,
    "options": {"num_predict": 9, "num_ctx": 5, "stop": ["a"], "temperature": 0.5, "seed": 1}, "logprobs": True,
}  # fmt: skip
EMBED = {"model": "m", "input": ["a", "b"], "dimensions": 5, "truncate": False, "options": {"num_ctx": 9},
         "keep_alive": "5m"}  # fmt: skip
EMBEDDINGS = [{"model": "m", "input": ["a", "b"], "dimensions": 5, "encoding_format": "base64", "user": "u"},
              {"model": "m", "input": [[1, 2], [3]], "input_type": "query"}]  # fmt: skip
ESSENTIAL = frozenset(
    {"model", "messages", "input", "prompt", "tools", "system", "stream", "instructions", "max_tokens", "images"}
)
"""What a request cannot do without, and the fields that have most in them."""

# --------------------------------------------------------------------------- events

LOGPROB = TokenLogprob("a", -0.5, [97], [TopLogprob("b", -1.0, None)])
CITATION = Citation(n=1, document="d", page=1, start=0, end=4, quote="text", score=0.5)
EVENTS = [
    Started("p/m", "tr_1"), Started("p/n", "tr_2", "exact", "b"), Delta(text="Hello"), Delta(text="é🦊", index=1),
    Delta(reasoning="Hm."), Delta(refusal="No."), Delta(tool_calls=[ToolCallDelta(0, "c1", "f", "")]),
    Delta(tool_calls=[ToolCallDelta(0, arguments='{"a":'), ToolCallDelta(1, "c2", "g", "{}")]),
    Delta(tool_calls=[ToolCallDelta(0, arguments="1}")]), Delta(text="x", logprobs=[LOGPROB]),
    Delta(thinking_block={"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}),
    Delta(thinking_block={"type": "redacted_thinking", "data": "AA=="}),
    Delta(extra={"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]}),
    Delta(extra={"anthropic": {"content_block": {"type": "server_tool_use", "id": "s", "name": "n", "input": {}}}}),
    Delta(extra={"anthropic": {"citation": {"type": "char_location"}}}), Delta(extra={"ollama": {"x": 1}}),
    Delta(extra={"bedrock": {"citation": {}}}), Delta(extra={"audio": {"id": "a", "data": "AA=="}}),
    Delta(extra={"content_parts": [{"type": "image"}]}), Delta(extra={"choice": {"x": 1}}),
    Delta(extra={"tool_calls": [{"index": 0, "type": "custom"}]}), Cited([CITATION]), Unsupported(0, 4),
    Finished("stop"), Finished("tool_calls", native="tool_use"), Finished("length", 1),
    Finished("stop", stop_sequence="x"), Finished("content_filter"),
    Completed(model="p/m", usage=Usage(3, 4, 1, 1)), Completed(model="p/m", usage=Usage(), outcome="quoted",
              confidence=0.5, timings={"total": 1.0}, extra={"system_fingerprint": "f", "usage": {"x": {"y": 1}}}),
]  # fmt: skip

# --------------------------------------------------------------------------- tasks

USAGE = {"prompt_tokens": 8, "total_tokens": 8}
VECTORS = {"object": "list", "model": "m", "usage": USAGE,
           "data": [{"object": "embedding", "index": 1, "embedding": "AAAAPwAAAMA="},
                    {"object": "embedding", "index": 0, "embedding": [0.25, 1]}]}  # fmt: skip
RANKING = {"id": "r", "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
           {"index": 0, "relevance_score": 0.1}], "meta": {"billed_units": {"search_units": 1}},
           "usage": USAGE}  # fmt: skip
MODERATED = {"id": "m", "model": "m", "results": [{"flagged": True, "categories": {"hate": True},
             "category_scores": {"hate": 0.9}, "category_applied_input_types": {"hate": ["text"]}}]}  # fmt: skip
IMAGES = {"created": 1, "data": [{"b64_json": "AA==", "revised_prompt": "a"}, {"url": "https://x.org/a.png"}],
          "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}  # fmt: skip
WRITTEN = {"text": "Hi", "language": "en", "duration": 1.5, "usage": {"type": "tokens", "input_tokens": 3,
           "output_tokens": 4, "total_tokens": 7}, "segments": [{"id": 0, "text": "Hi"}]}  # fmt: skip
EMBED_BY = {
    "cohere": [{"id": "e", "embeddings": {"float": [[0.1, 1], [2, 3]]}, "meta": {"billed_units": {"input_tokens": 5}}}],
    "gemini": [{"embeddings": [{"values": [0.1, 1]}, {"values": [2, 3]}], "usageMetadata": {"promptTokenCount": 3}}],
    "bedrock": [{"embedding": [0.1, 1], "inputTextTokenCount": 3}, {"embeddings": [[0.1], [1]]},
                {"embeddings": {"float": [[0.1], [1]]}}],
    "ollama": [{"model": "m", "embeddings": [[0.1, 1], [2, 3]], "prompt_eval_count": 3}],
    "huggingface": [[[0.1, 1], [2, 3]]], "tgi": [[[0.1, 1], [2, 3]]],
}  # fmt: skip
MODELS = {"bedrock": ("amazon.titan-embed-text-v2:0", "cohere.embed-v4:0", "cohere.embed-english-v3")}
TASKS = [
    ("embeddings", "embedding_model", "embeddings", EmbeddingRequest(model="m", input=["a", "b"]), [VECTORS]),
    ("rerank", "reranker", "rerank", RerankRequest(model="m", query="q", documents=["a", "b"]), [RANKING]),
    ("moderations", "moderator", "moderate", ModerationRequest(model="m", input=["a"]), [MODERATED]),
    ("images", "image_model", "generate", ImageRequest(model="m", prompt="a"), [IMAGES]),
    ("speech", "speech_model", "speak", SpeechRequest(model="m", input="a", voice="v"), [WRITTEN]),
    ("transcription", "transcription_model", "transcribe",
     TranscriptionRequest(model="m", file=b"RIFF", filename="a.wav"), [WRITTEN]),
]  # fmt: skip
"""What it is called, the methods of a provider and of the model, a request, and answers to it."""
