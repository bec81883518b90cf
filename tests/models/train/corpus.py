"""Documents to train on and to hold out.

| source | what | licence | held out |
|---|---|---|---|
| tinystories | 1394 stories, slices of TinyStories as they stand in two public repositories | CDLA-Sharing-1.0 | yes |
| rambling | 5950 stories that a model of 3 M parameters wrote (HKUSTGZ-MICS-LYU/bitllama2.c, MIT): many, and simple, but the thread slips | MIT | yes |
| grammar, answers | written by grammar.py and answers.py, without end | this project's | no: they would only hold out a name |

The three files are looked for in one folder, unpacked or as .xz, and held against their checksums.
"""

import hashlib
import json
import lzma
import random
import re
from pathlib import Path

import answers
import grammar

FILES = {
    "tinystories-a.txt": "c56cfd24fb1c542b141a396184b822a4db3672abdb4c49c6aa843171c5e822a5",
    "tinystories-b.txt": "5fc1fb0113df62b567fb271806cd645ce8d75f59c58ca0b764c03d3b6ff34ca6",
    "stories-tiny.jsonl": "adc7414dfa9a7ab8edd8c1617451a2aed5cab09ae9f213980f19dc8ee8a4fe00",
}
BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"


def read(folder, name):
    packed = Path(folder, name + ".xz")
    data = lzma.decompress(packed.read_bytes()) if packed.exists() else Path(folder, name).read_bytes()
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise SystemExit(f"{folder}/{name} is not the file that was used: its SHA-256 differs from the one in corpus.py")
    return data.decode("utf-8", "ignore")


def clean(text):
    for fancy, plain in {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2014": " - ", "\u2013": "-", "\u2026": "...", "\u00a0": " "}.items():
        text = text.replace(fancy, plain)
    text = text.encode("ascii", "ignore").decode()
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+", " ", text)).strip()


def tinystories(folder):
    """Stories and their paragraphs are both parted by blank lines: a new story begins at an opening."""
    opening = re.compile(r"(Once|One day|There was|There were|It was a|A long time|Lily and|In a )")
    for name in ("tinystories-a.txt", "tinystories-b.txt"):
        story = []
        for paragraph in map(clean, re.split(r"\n\s*\n", read(folder, name))):
            if story and opening.match(paragraph):
                yield "\n\n".join(story)
                story = []
            if paragraph:
                story.append(paragraph)
        yield "\n\n".join(story)


def rambling(folder):
    """Cut where a second story begins, or at the last whole sentence; those with many repeats are left out."""
    for line in read(folder, "stories-tiny.jsonl").splitlines():
        try:
            text = clean(json.loads(line)["t"])
        except (json.JSONDecodeError, KeyError):
            continue
        later = [m.start() for m in re.finditer(r"(Once upon a time|One day, there was|Once there was)", text) if m.start() > 250]
        text = text[: later[0]].strip() if later else text
        end = max(text.rfind(e) for e in (". ", '."', "!", "."))
        text = text[: end + 1] if end > 0 else text
        text += '"' if text.count('"') % 2 else ""
        words = text.split()
        grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
        if len(words) >= 50 and 1 - len(set(grams)) / max(1, len(grams)) <= 0.12:
            yield text


def split(folder):
    """({source: texts to train on}, {source: texts held out}); the split is that of the earlier model, so that the two compare."""
    texts = [("tinystories", t) for t in tinystories(folder) if len(t) < 6000] + [("rambling", t) for t in rambling(folder)]
    random.Random(1).shuffle(texts)
    held = max(60, len(texts) // 60)
    parts = []
    for part in (texts[held:], texts[:held]):
        parts.append({source: [t for s, t in part if s == source] for source in ("tinystories", "rambling")})
    return parts


def request(text, rng):
    """What someone might have asked to get this story, if its opening tells."""
    m = re.match(r"(?:Once upon a time,?|Once|One day,|There was once|There was)(?: in [^,.]{3,25},)?(?: there (?:was|lived))?\s+an?\s+([a-z]+(?: [a-z]+)?)(?: named (\w+)|[.,])", text)
    if m is None:
        return None
    about = grammar.article(m.group(1)) + (f" named {m.group(2)}" if m.group(2) else "")
    end = "." if rng.random() < 0.8 else " please."
    return rng.choice(["Tell me a story about ", "Please tell me a story about ", "Write a story about ", "I want a story about "]) + about + end


def rename(text, rng):
    """The same story with other names: what has to be learned is to keep a name, not which one it was."""
    names = {}
    for kind in (grammar.GIRLS, grammar.BOYS, grammar.PETS):
        found = [n for n in kind if re.search(rf"\b{n}\b", text)]
        names.update(zip(found, rng.sample(kind, len(found))))
    return re.sub(r"\b(" + "|".join(names) + r")\b", lambda m: names[m.group(1)], text) if names else text


def document(source, texts, rng):
    """Pieces of text, special tokens among them. A chat is rendered as the engine renders one: all but the last answer as one
    text, the last answer after the generation prompt, whose space is a token of its own."""
    turns = []
    if source == "grammar":
        asked, story, questions = grammar.story(rng)
        if rng.random() < 0.35:
            return [BOS, story, EOS]
        turns = [(asked, story)] + questions[: rng.choice([0, 0, 1, 2])]
        if rng.random() < 0.2:
            turns.insert(0, tuple(grammar.expand(t, rng) for t in rng.choice(answers.SMALL_TALK)))
    elif source == "answers":
        turns = answers.exchanges(rng)
    else:
        story = rng.choice(texts)
        story = rename(story, rng) if rng.random() < 0.7 else story
        # Only what holds together is given as an answer.
        asked = request(story, rng) if source == "tinystories" and rng.random() < 0.4 else None
        if asked is None:
            return [BOS, story, EOS]
        turns = [(asked, story)]
    pieces = [BOS]
    for user, assistant in turns[:-1]:
        pieces += [f"User: {user}", EOT, f"Assistant: {assistant}", EOT]
    user, assistant = turns[-1]
    return pieces + [f"User: {user}", EOT, "Assistant: ", assistant, EOT]


def encode(pieces, tokenizer):
    """Ids of the pieces, each encoded for itself."""
    special = {t: tokenizer.token_to_id(t) for t in (BOS, EOS, EOT)}
    ids = []
    for piece in pieces:
        ids += [special[piece]] if piece in special else tokenizer.encode(piece).ids
    return ids
