"""Draws loss.csv as the picture in MODEL.md."""

import csv
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

source, output = sys.argv[1:]
rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(open(source))]
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "b158", "font.size": 11})
figure, axes = plt.subplots(figsize=(8, 4))
tokens = [row["tokens"] / 1e6 for row in rows]
for key, label, colour in [
    ("tinystories", "TinyStories, held out", "#b4471f"),
    ("rambling", "rambling stories, held out", "#2b6c8f"),
    ("answers", "answers, fresh ones", "#c79a00"),
    ("grammar", "grammar's stories, fresh ones", "#1c7a5a"),
]:
    axes.plot(tokens, [row[key] for row in rows], label=label, color=colour, marker="o", markersize=3)
    # Where the model that it grew from stands.
    if key in ("tinystories", "rambling"):
        axes.axhline(rows[0][key], color=colour, linestyle=":", linewidth=1)
axes.set(xlabel="million tokens of this run", ylabel="nats a token", xlim=(0, None), ylim=(0, 2.6))
axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(output, bbox_inches="tight", metadata={"Date": None})
