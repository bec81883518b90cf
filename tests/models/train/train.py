"""Trains the model that the demo opens with. See ../MODEL.md for the command and what came of it.

Muon on the ternary matrices, AdamW on the rest; the learning rate rises over 30 steps and falls linearly to zero. The best
checkpoint by held-out loss is kept as best.pt, and the newest as last.pt.

With --teacher (one or more, CHECKPOINT:SHARE) the old text is distilled: what the student has to say of each next token is mostly the
mean of the teachers' distributions, which is harder to know by heart than the text.
"""

import argparse
import csv
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus
from model import BitNet, Config, load

# Share of each source in the tokens. Rambling text is many-sided but teaches to ramble; TinyStories are few, and are soon known by
# heart; what an earlier model imagined never ends, and is worth its teacher's judgement only.
OLD = {"tinystories": 0.30, "rambling": 0.30, "imagined": 0.40}
OWN = {"grammar": 0.60, "answers": 0.40}
# Of every eight windows, how many are old text; and the teachers' part of its loss.
OLD_WINDOWS, TEACHING = 5, 0.8
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
    """Windows of packed documents, some hundred thousand tokens made at a time."""

    def __init__(self, shares, texts, tokenizer, length, rng, tokens=100_000):
        self.shares = {source: share for source, share in shares.items() if texts is None or source in texts}
        self.texts, self.tokenizer, self.length, self.rng, self.tokens = texts or {}, tokenizer, length, rng, tokens
        self.windows = []

    def batch(self, count):
        while len(self.windows) < count:
            self.windows += self.make()
        rows = [self.windows.pop() for _ in range(count)]
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def make(self):
        documents = []
        for source, share in self.shares.items():
            left = self.tokens * share / sum(self.shares.values())
            while left > 0:
                documents.append(corpus.encode(corpus.document(source, self.texts.get(source), self.rng), self.tokenizer))
                left -= len(documents[-1])
        self.rng.shuffle(documents)
        ids = np.fromiter((i for d in documents for i in d), np.uint16)
        n = self.length + 1
        return list(ids[: len(ids) // n * n].reshape(-1, n))


def fresh(tokenizer, length, count=16):
    """Windows of new documents of our own sources, always the same ones."""
    return {source: Stream({source: 1}, None, tokenizer, length, random.Random(99), count * (length + 1)).batch(count) for source in OWN}


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


class Lesson(torch.nn.Module):
    """The loss of a batch: its first windows are old text, for which the teachers speak too."""

    def __init__(self, student, teachers):
        super().__init__()
        self.student, self.teachers = student, teachers

    def forward(self, ids, old):
        logits, next_ids = self.student(ids[:, :-1]), ids[:, 1:]
        if not self.teachers:
            return F.cross_entropy(logits.flatten(0, 1), next_ids.flatten())
        with torch.no_grad():
            opinion = sum(share * teacher(ids[:old, :-1]).softmax(-1) for teacher, share in self.teachers)
        own = F.cross_entropy(logits[old:].flatten(0, 1), next_ids[old:].flatten())
        text = F.cross_entropy(logits[:old].flatten(0, 1), next_ids[:old].flatten())
        taught = F.cross_entropy(logits[:old].flatten(0, 1), opinion.flatten(0, 1))
        share = old / len(ids)
        return share * (TEACHING * taught + (1 - TEACHING) * text) + (1 - share) * own


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
    parser.add_argument("--layers", type=int, help="more layers than the checkpoint to go on from has")
    parser.add_argument("--teacher", nargs="*", default=[], metavar="CHECKPOINT:SHARE")
    parser.add_argument("--imagined", type=Path, help="stories that imagine.py wrote")
    options = parser.parse_args()

    torch.set_num_threads(2)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    train, held = corpus.split(options.corpus)
    model = load(options.resume, options.layers) if options.resume else BitNet(Config())
    config = model.config
    # On the held-out text too: a tokenizer learns no stories, and so did the earlier model's.
    tokenizer = train_tokenizer([t for part in (held, train) for texts in part.values() for t in texts], config.vocabulary)
    tokenizer.save(str(options.out / "tokenizer.json"))
    sets = held_out(held, tokenizer, 256)
    weight = {source: ids.numel() for source, ids in sets.items()}
    sets |= fresh(tokenizer, config.context)
    if options.imagined:
        train["imagined"] = [corpus.clean(json.loads(line)["t"]) for line in options.imagined.open()]
    old_text = Stream(OLD, train, tokenizer, config.context, random.Random(options.seed))
    own_text = Stream(OWN, None, tokenizer, config.context, random.Random(options.seed + 1))
    old = round(options.batch * OLD_WINDOWS / 8)
    batch = lambda: torch.cat((old_text.batch(old), own_text.batch(options.batch - old)))
    teachers = [(load(path).requires_grad_(False), float(share)) for path, _, share in (t.rpartition(":") for t in options.teacher)]

    ternary = [p for n, p in model.named_parameters() if n.startswith("blk.") and p.dim() == 2]
    rest = [p for n, p in model.named_parameters() if not (n.startswith("blk.") and p.dim() == 2)]
    optimizers = [
        torch.optim.Muon(ternary, lr=options.lr, momentum=0.95, weight_decay=0.02, ns_steps=5),
        torch.optim.AdamW(rest, lr=options.lr_rest, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rates = [o.param_groups[0]["lr"] for o in optimizers]
    print(f"{sum(p.numel() for p in ternary) / 1e6:.2f} M ternary weights, {sum(p.numel() for p in rest) / 1e6:.2f} M others; held out before: {evaluate(model, sets)}", flush=True)

    compiled = torch.compile(Lesson(model, teachers), dynamic=False)
    compiled(batch(), old).backward()
    model.zero_grad()
    log = csv.writer((options.out / "loss.csv").open("a", buffering=1))
    log.writerow(["step", "tokens", "seconds", "training", *sets])
    begun, step, tokens, mean, best, next_evaluation = time.monotonic(), 0, 0, None, float("inf"), 0.0
    while True:
        progress = (time.monotonic() - begun) / (60 * options.minutes)
        if progress >= next_evaluation or progress >= 1:
            losses = evaluate(model, sets)
            log.writerow([step, tokens, round(time.monotonic() - begun), f"{mean or 0:.4f}", *(f"{v:.4f}" for v in losses.values())])
            print(f"{progress:4.0%} step {step}, {tokens / 1e6:.2f} M tokens, training {mean or 0:.3f}, held out { {s: round(v, 4) for s, v in losses.items()} }", flush=True)
            torch.save(model.state_dict(), options.out / "last.pt")
            # A mean over tokens of the old text, and the same again of our own.
            mean_held = sum(losses[s] * n for s, n in weight.items()) / sum(weight.values())
            if mean_held + sum(losses[s] for s in OWN) / 2 < best:
                best = mean_held + sum(losses[s] for s in OWN) / 2
                torch.save(model.state_dict(), options.out / "best.pt")
            next_evaluation += 1 / 24
        if progress >= 1:
            break
        rate = min(1, (step + 1) / 30) * (1 - progress)
        for optimizer, full in zip(optimizers, rates):
            for group in optimizer.param_groups:
                group["lr"] = full * rate
        loss = compiled(batch(), old)
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
