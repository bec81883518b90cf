"""Trains the model that the demo opens with. See ../MODEL.md for the command and what came of it.

Muon on the ternary matrices, AdamW on the rest; the learning rate rises over 30 steps and falls linearly to zero. The best
checkpoint by held-out loss is kept as best.pt, and the newest as last.pt.
"""

import argparse
import csv
import random
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus
from model import BitNet, Config

# Share of each source in the tokens. Rambling text is many-sided but teaches to ramble; TinyStories are few, and are soon known by heart.
SHARES = {"tinystories": 0.30, "rambling": 0.30, "grammar": 0.24, "answers": 0.16}
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = [corpus.BOS, corpus.EOS, corpus.EOT] + [f"<|reserved_special_token_{i}|>" for i in range(5)]


def train_tokenizer(texts, size):
    """Byte-level BPE with the Llama-3 splitter."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(LLAMA_3), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size - len(SPECIAL), initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens(SPECIAL)
    assert tokenizer.get_vocab_size() == size
    return tokenizer


class Stream:
    """Windows of packed documents, a few hundred thousand tokens made at a time."""

    def __init__(self, texts, tokenizer, length, rng, tokens=200_000):
        self.texts, self.tokenizer, self.length, self.rng, self.tokens = texts, tokenizer, length, rng, tokens
        self.windows = []

    def batch(self, count):
        while len(self.windows) < count:
            self.windows += self.make()
        rows = [self.windows.pop() for _ in range(count)]
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def make(self):
        documents = []
        for source, share in SHARES.items():
            left = self.tokens * share
            while left > 0:
                documents.append(corpus.encode(corpus.document(source, self.texts.get(source), self.rng), self.tokenizer))
                left -= len(documents[-1])
        self.rng.shuffle(documents)
        ids = np.fromiter((i for d in documents for i in d), np.uint16)
        n = self.length + 1
        return list(ids[: len(ids) // n * n].reshape(-1, n))


def held_out(texts, tokenizer, length):
    """Windows of each source's held-out stories, as plain text."""
    sets = {}
    for source, stories in texts.items():
        ids = [i for t in stories for i in corpus.encode([corpus.BOS, t, corpus.EOS], tokenizer)]
        n = len(ids) // (length + 1)
        sets[source] = torch.tensor(ids[: n * (length + 1)]).view(n, length + 1)
    return sets


@torch.no_grad()
def evaluate(model, sets, count=16):
    losses = {}
    for source, ids in sets.items():
        losses[source] = sum(model.loss(part).item() * len(part) for part in ids.split(count)) / len(ids)
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder with the files that corpus.py names")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--batch", type=int, default=8, help="windows a step")
    parser.add_argument("--lr", type=float, default=0.02, help="Muon's, for the ternary matrices")
    parser.add_argument("--lr-rest", type=float, default=0.004, help="AdamW's, for embedding and norms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    options = parser.parse_args()

    torch.set_num_threads(2)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    train, held = corpus.split(options.corpus)
    config = Config()
    # On the held-out text too: a tokenizer learns no stories, and so did the earlier model's.
    tokenizer = train_tokenizer([t for part in (held, train) for texts in part.values() for t in texts], config.vocabulary)
    tokenizer.save(str(options.out / "tokenizer.json"))
    stream = Stream(train, tokenizer, config.context, random.Random(options.seed))
    sets = held_out(held, tokenizer, 256)

    model = BitNet(config)
    if options.resume:
        model.load_state_dict(torch.load(options.resume, weights_only=True))
    ternary = [p for n, p in model.named_parameters() if n.startswith("blk.") and p.dim() == 2]
    rest = [p for n, p in model.named_parameters() if not (n.startswith("blk.") and p.dim() == 2)]
    optimizers = [
        torch.optim.Muon(ternary, lr=options.lr, momentum=0.95, weight_decay=0.02, ns_steps=5),
        torch.optim.AdamW(rest, lr=options.lr_rest, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rates = [o.param_groups[0]["lr"] for o in optimizers]
    print(f"{sum(p.numel() for p in ternary) / 1e6:.2f} M ternary weights, {sum(p.numel() for p in rest) / 1e6:.2f} M others; held out before: {evaluate(model, sets)}", flush=True)

    compiled = torch.compile(model.loss, dynamic=False)
    compiled(stream.batch(options.batch)).backward()
    model.zero_grad()
    log = csv.writer((options.out / "loss.csv").open("a", buffering=1))
    log.writerow(["step", "tokens", "seconds", "training", *sets])
    begun, step, tokens, mean, best, next_evaluation = time.monotonic(), 0, 0, None, float("inf"), 0.0
    while True:
        progress = (time.monotonic() - begun) / (60 * options.minutes)
        if progress >= next_evaluation or progress >= 1:
            losses = evaluate(model, sets)
            log.writerow([step, tokens, round(time.monotonic() - begun), f"{mean or 0:.4f}", *(f"{v:.4f}" for v in losses.values())])
            print(f"{progress:4.0%} step {step}, {tokens / 1e6:.2f} M tokens, training {mean or 0:.3f}, held out {losses}", flush=True)
            torch.save(model.state_dict(), options.out / "last.pt")
            if sum(losses.values()) < best:
                best = sum(losses.values())
                torch.save(model.state_dict(), options.out / "best.pt")
            next_evaluation += 1 / 24
        if progress >= 1:
            break
        rate = min(1, (step + 1) / 30) * (1 - progress)
        for optimizer, full in zip(optimizers, rates):
            for group in optimizer.param_groups:
                group["lr"] = full * rate
        loss = compiled(stream.batch(options.batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step, tokens = step + 1, tokens + options.batch * config.context
        mean = loss.item() if mean is None else 0.97 * mean + 0.03 * loss.item()
        if step % 20 == 0:
            print(f"  step {step}, loss {mean:.3f}, {tokens / (time.monotonic() - begun):.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
