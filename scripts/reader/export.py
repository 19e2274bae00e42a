"""Write the trained reader as one int8 ONNX file, without torch in what reads it.

    python scripts/reader/export.py reader.pt [--out src/guru/models/local/reader]

The graph takes `input_ids`, `token_type_ids` and `attention_mask` (batch, tokens) and returns `verdict` (batch, 2):
logits of relevance and of whether the answer is here, and `span` (batch, tokens, 2): of its first and its last token.
The encoder is quantised as the embedder is (`export_minilm.py`); the heads stay fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from export_minilm import HIDDEN, LAYERS, OPSET, Graph, Weights, add_embeddings, add_layer, quantize  # noqa: E402

HEADS = ("pooled_dense", "verdict_dense", "span_dense")


def read(path: Path) -> tuple[Weights, Weights]:
    """The weights of the encoder and those of the heads; of a checkpoint, too."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    state = state.get("model", state)
    plain = {name: value.float().numpy() for name, value in state.items() if value.is_floating_point()}
    encoder = {name.removeprefix("bert."): value for name, value in plain.items() if name.startswith("bert.")}
    return encoder, {name: value for name, value in plain.items() if not name.startswith("bert.")}


def build(encoder: Weights, heads: Weights):
    """The fp32 graph."""
    from onnx import TensorProto, helper

    graph = Graph()

    def dense(name: str, value: str, head: str, output: str) -> str:
        weight = graph.constant(f"{name}_weight", heads[f"{head}.weight"].T)
        graph.add("MatMul", [value, weight], f"{name}_dense")
        return graph.add("Add", [f"{name}_dense", graph.constant(f"{name}_bias", heads[f"{head}.bias"])], output)

    hidden = add_embeddings(graph, encoder, types=True)
    graph.add("Cast", ["attention_mask"], "padding", to=int(TensorProto.INT32))
    for layer in range(LAYERS):
        hidden = add_layer(graph, encoder, layer, hidden)
    graph.add("Gather", [hidden, "zero"], "first_token", axis=1)
    graph.add("Squeeze", ["first_token", "one"], "first")
    graph.add("Tanh", [dense("pooled", "first", "pooler", "pooled_sum")], "pooled")
    dense("verdict", "pooled", "judge", "verdict")
    dense("span", hidden, "span", "span")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "token_type_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info("verdict", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("span", TensorProto.FLOAT, ["batch", "tokens", 2]),
    ]
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    body = helper.make_graph(graph.nodes, "guru-reader", inputs, outputs, graph.tensors)
    return helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="guru")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "src/guru/models/local/reader")
    arguments = parser.parse_args()
    encoder, heads = read(arguments.weights)
    assert encoder["embeddings.word_embeddings.weight"].shape[1] == HIDDEN
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "model.onnx"
    quantize(build(encoder, heads), path, keep=HEADS)
    data = path.read_bytes()
    (arguments.out / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  model.onnx\n")
    print(f"{path}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
