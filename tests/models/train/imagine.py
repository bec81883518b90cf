"""Writes stories with an earlier model, through `b158`: text for distillation that is not known by heart, since there can be as much
of it as one likes. The same seeds give the same stories on every machine.

    python imagine.py CORPUS MODEL.gguf B158 imagined.jsonl
"""

import argparse
import json
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import corpus


def opening(text, rng):
    """The first words of a training story, under other names."""
    return " ".join(corpus.rename(text, rng).split()[: rng.randint(2, 14)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("model")
    parser.add_argument("b158")
    parser.add_argument("out")
    parser.add_argument("--stories", type=int, default=10_000)
    options = parser.parse_args()

    train, _ = corpus.split(options.corpus)
    rng = random.Random(4)
    openings = [opening(rng.choice(train["tinystories"]), rng) for _ in range(options.stories)]

    def story(numbered):
        seed, text = numbered
        # The plain distribution of the model, nothing cut off: the teacher will judge each word.
        settings = "--temp 1 --top-k 0 --top-p 1 --min-p 0 --threads 1 -q --echo".split()
        command = [options.b158, "run", "-m", options.model, *settings, "--seed", str(seed), "-n", "240", "-p", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    with ThreadPoolExecutor(2) as pool, open(options.out, "w") as file:
        for number, text in enumerate(pool.map(story, enumerate(openings)), 1):
            print(json.dumps({"t": text}), file=file)
            if number % 500 == 0:
                print(f"{number} of {options.stories} stories", flush=True)


if __name__ == "__main__":
    main()
