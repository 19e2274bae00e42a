"""The reader: MiniLM-L6 with four small heads, and how a question and a passage become its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

HIDDEN, LAYERS, HEADS = 384, 6, 12
MAX_QUESTION = 48
"""Tokens of a question; a longer one is cut."""


class Reader(nn.Module):
    """Of a question and a passage: relevance, whether the answer is here (logits), and where it begins and ends."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=4 * HIDDEN,
            attn_implementation="sdpa",
        )  # fmt: skip
        self.bert = BertModel(config, add_pooling_layer=False)
        self.pooler = nn.Linear(HIDDEN, HIDDEN)
        self.judge = nn.Linear(HIDDEN, 2)
        self.span = nn.Linear(HIDDEN, 2)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`(batch, 2)` relevance and here, `(batch, tokens, 2)` start and end."""
        hidden = self.bert(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        return self.judge(torch.tanh(self.pooler(hidden[:, 0]))), self.span(hidden)

    def begin_from(self, weights: Path) -> None:
        """Take the encoder of all-MiniLM-L6-v2, as published in `model.safetensors`."""
        from safetensors.torch import load_file

        found = {name: value for name, value in load_file(weights).items() if value.is_floating_point()}
        found.pop("pooler.dense.weight", None), found.pop("pooler.dense.bias", None)
        missing, unexpected = self.bert.load_state_dict(found, strict=False)
        assert not unexpected, unexpected
        assert all("position_ids" in name for name in missing), missing


@dataclass
class Pair:
    """One input: `[CLS] question [SEP] passage [SEP]`."""

    ids: list[int]
    types: list[int]
    first: int
    """Place of the passage's first token."""
    offsets: list[tuple[int, int]]
    """Characters of the passage for each of its tokens."""


def pair(question: list[int], passage: list[int], offsets: list[tuple[int, int]], cls: int, sep: int) -> Pair:
    asked = question[:MAX_QUESTION]
    ids = [cls, *asked, sep, *passage, sep]
    first = len(asked) + 2
    return Pair(ids, [0] * first + [1] * (len(passage) + 1), first, offsets)


def collate(pairs: list[Pair]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded tensors of ids, types and mask."""
    size = max(len(each.ids) for each in pairs)
    ids, types, mask = (torch.zeros(len(pairs), size, dtype=torch.long) for _ in range(3))
    for row, each in enumerate(pairs):
        ids[row, : len(each.ids)] = torch.tensor(each.ids)
        types[row, : len(each.ids)] = torch.tensor(each.types)
        mask[row, : len(each.ids)] = 1
    return ids, types, mask
