"""Holds a GGUF made of what export.py wrote, run by the engine, against its checkpoint, run by PyTorch in float32.

Prints held-out loss of both and the largest difference of logits, and writes the vectors that tests/engine/story_model.rs replays.
Differences are about 1e-5, except behind an activation that lay on a rounding edge of int8: see tests/golden/README.md.
"""

import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import corpus
from model import load

TEXTS = [
    [corpus.BOS, "Once upon a time, there was a little girl named Lily. She had a red ball and a small dog."],
    [corpus.BOS, "User: Tell me a story about a brave cat.", corpus.EOT, "Assistant: "],
    [corpus.BOS, "User: What color is the sky?", corpus.EOT, "Assistant: "],
]


def b158(program, *arguments):
    return subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@torch.no_grad()
def perplexity(model, ids, window, bos):
    """As `b158 perplexity` and llama.cpp: the second half of each window counts."""
    first, nats = window // 2, []
    for start in range(0, len(ids) // window * window, window):
        part = torch.tensor([[bos] + ids[start + 1 : start + window]])
        losses = torch.nn.functional.cross_entropy(model(part)[0, first:-1].double(), part[0, first + 1 :], reduction="none")
        nats += losses.tolist()
    return sum(nats) / len(nats), len(nats)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "tokenizer", "gguf", "corpus", "program"):
        parser.add_argument(name)
    parser.add_argument("--vectors", type=Path, help="where to write PATH.json and PATH.f32")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(options.tokenizer)
    model = load(options.checkpoint, dtype=torch.float32).requires_grad_(False)
    model.token_embd.weight.copy_(model.token_embd.weight.half())  # as the file has it
    bos = tokenizer.token_to_id(corpus.BOS)

    vectors, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for pieces in TEXTS:
            ids = corpus.encode(pieces, tokenizer)
            with torch.no_grad():
                expected = model(torch.tensor([ids]))[0].numpy()
            b158(options.program, "logits", "-q", "-m", options.gguf, "--ids", " ".join(map(str, ids)), "--kv-cache", "f32", "-o", f"{folder}/logits")
            ours = np.fromfile(f"{folder}/logits", "<f4").reshape(expected.shape)
            difference = np.abs(ours - expected).max(1)
            print(f"{len(ids)} positions: largest difference of logits {difference.max():.1e}, median {np.median(difference):.1e}")
            vectors.append(ids)
            rows.append(expected)
        if options.vectors:
            options.vectors.with_suffix(".json").write_text(json.dumps({"sequences": vectors}) + "\n")
            np.concatenate(rows).astype("<f4").tofile(options.vectors.with_suffix(".f32"))

        _, held = corpus.split(options.corpus)
        for source, stories in held.items():
            text = "\n\n".join(stories)
            Path(folder, "held.txt").write_text(text)
            bytes_per_token = len(text.encode()) / len(tokenizer.encode(text).ids)
            ids = [bos] + tokenizer.encode(text).ids
            theirs, tokens = perplexity(model, ids, model.config.context, bos)
            ours = json.loads(b158(options.program, "perplexity", "-q", "--json", "-m", options.gguf, "-f", f"{folder}/held.txt", "--kv-cache", "f32"))
            print(f"{source}: perplexity {math.exp(theirs):.4f} in PyTorch, {ours['perplexity']:.4f} ± {ours['error']:.4f} in b158 over {tokens} and {ours['scoredTokens']} tokens; "
                  f"{ours['natsPerToken']:.4f} nats a token, {ours['natsPerToken'] / bytes_per_token:.4f} a byte")


if __name__ == "__main__":
    main()
