"""Write src/guru/gateway/cost/data/*.tokens from OpenAI's published ranks (MIT, as part of tiktoken).

    python scripts/update_tokenizers.py FOLDER       FOLDER holds o200k_base.tiktoken.gz and cl100k_base.tiktoken.gz,
                                                     as the package bpe-openai brings them in its folder `data`

The content is checked against the digests that tiktoken itself expects.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import lzma
import sys
from pathlib import Path

from guru.gateway.cost.bpe import FOLDER, Encoding

DIGESTS = {
    "o200k": ("o200k_base.tiktoken.gz", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
    "cl100k": ("cl100k_base.tiktoken.gz", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
}


def main(folder: Path) -> int:
    for name, (file, digest) in DIGESTS.items():
        content = gzip.decompress((folder / file).read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest, f"{file} is not what tiktoken expects"
        ranked = sorted((int(rank), base64.b64decode(token)) for token, rank in map(bytes.split, content.splitlines()))
        assert [rank for rank, _ in ranked] == list(range(len(ranked))), "ranks have gaps"
        tokens = [token for _, token in ranked]
        lengths = bytes(map(len, tokens))
        target = FOLDER / f"{name}.tokens"
        target.write_bytes(lzma.compress(lengths + b"".join(tokens), preset=9 | lzma.PRESET_EXTREME))
        assert list(Encoding.load(name).ranks) == tokens
        print(f"{target}: {len(tokens):,} tokens, {target.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
