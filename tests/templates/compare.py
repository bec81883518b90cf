#!/usr/bin/env python3
"""Renders the chat templates that llama.cpp ships with jinja2 and with b158, and compares the texts.

    python3 tests/templates/compare.py target/release/b158 [MODEL.gguf] [FOLDER OF *.jinja]

needs jinja2. Without a folder it downloads the source package of llama-cpp-python, which bears them. Of each case it prints
how many of the templates that jinja2 renders come out equal, and names the others; it fails if there are any.
"""
import copy, datetime, difflib, json, os, pathlib, re, subprocess, sys, tarfile, tempfile, time, urllib.parse, urllib.request

from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
USER = "Tell me of a fox & a hen.  Two spaces, {braces}, ‘quotes’ and <b>?\n"
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": USER},
    {"role": "assistant", "content": "Once upon a time\n\nthere was a fox."},
    {"role": "user", "content": " And the hen? "},
]
NONE = {"tools": None, "documents": None}
TOOLS = {"tools": [{"type": "function", "function": {
    "name": "weather", "description": "Weather of a place: \"now\" & <later>, é",
    "parameters": {"type": "object", "required": ["place"], "properties": {
        "place": {"type": "string", "description": "A town"},
        "days": {"type": "integer", "default": 1, "minimum": 0.5},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "more": {"type": "array", "items": {"type": ["string", "null"]}},
        "deep": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "boolean"}}},
    }},
}}]}
# As OpenAI's API has it: templates get the arguments as an object.
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": "{\"place\": \"Z\u00fcrich & <b>\", \"days\": 2}"}}]}
RESULT = {"role": "tool", "content": "{\"sky\": \"blue\"}", "tool_call_id": "call00001", "name": "weather"}
CASES = {
    "one user turn": ([TALK[1]], {}, {}),
    "system and three turns": (TALK, {}, {}),
    "tools: none": (TALK[:2], NONE, {}),
    "no thinking": ([TALK[1]], NONE, {"enable_thinking": False, "thinking": False, "reasoning_effort": "low"}),
    "thinking": (TALK, {}, {"enable_thinking": True, "thinking": True, "reasoning_effort": "high"}),
    "tools": (TALK, {}, TOOLS),
    "tools, no system": (TALK[1:], {}, TOOLS),
    "a call": (TALK[:2] + [CALL, RESULT], {}, TOOLS),
}


class Generation(Extension):
    """transformers' tag around what the assistant says."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("text"), [], [], body).set_lineno(line)

    def text(self, caller):
        return caller()


def environment():
    """Jinja as transformers sets it up for chat templates."""

    def refuse(message):
        raise ValueError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return made


def templates(folder):
    """The templates by their names, from a folder or out of the source package."""
    if folder:
        return {path.name: path.read_bytes().decode() for path in sorted(pathlib.Path(folder).glob("*.jinja"))}
    index = os.environ.get("PIP_INDEX_URL")
    if not index:
        asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
        index = asked.stdout.strip() or "https://pypi.org/simple"
    page = f"{index.rstrip('/')}/{PACKAGE}/"
    with urllib.request.urlopen(page, timeout=60) as answer:
        links = re.findall(r'href="([^"]+)"', answer.read().decode())
    name = f"{PACKAGE.replace('-', '_')}-{VERSION}.tar.gz"
    link = next(link for link in links if name in link)
    with tempfile.TemporaryDirectory() as held:
        file = os.path.join(held, name)
        urllib.request.urlretrieve(urllib.parse.urljoin(page, link), file)
        with tarfile.open(file) as archive:
            members = [m for m in archive if m.name.endswith(".jinja") and "/models/templates/" in m.name]
            return {os.path.basename(m.name): archive.extractfile(m).read().decode() for m in sorted(members, key=lambda m: m.name)}


def with_objects(messages):
    """The messages as transformers hands them to a template."""
    messages = copy.deepcopy(messages)
    for call in [call for message in messages for call in message.get("tool_calls", [])]:
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


def ours(program, model, text, messages, variables):
    command = [program, "template", "-m", model, "--messages", json.dumps(messages)]
    command += ["--override-kv", f"tokenizer.chat_template=str:{text}"]
    if variables:
        command += ["--chat-template-kwargs", json.dumps(variables)]
    ran = subprocess.run(command, capture_output=True, timeout=60)
    said = ran.stderr.decode(errors="replace")
    note = re.search(r"note: (.*template is not used.*)", said)
    if ran.returncode or note:
        return None, note.group(1) if note else said.strip()
    return ran.stdout.decode(), None


def main():
    program = sys.argv[1]
    model = sys.argv[2] if len(sys.argv) > 2 else str(pathlib.Path(__file__).parent.parent / "models/stories-I2_S.gguf")
    found = templates(sys.argv[3] if len(sys.argv) > 3 else None)
    os.environ["TZ"] = "UTC"
    time.tzset()
    jinja, failed = environment(), False
    for case, (messages, context, variables) in CASES.items():
        equal, rendered, wrong = 0, 0, []
        for name, text in found.items():
            try:
                given = {**context, **variables, "messages": with_objects(messages), "add_generation_prompt": True}
                expected = jinja.from_string(text).render(bos_token=BOS, eos_token=EOS, **given)
            except Exception as refusal:
                if os.environ.get("VERBOSE"):
                    print(f"  {name}: jinja2 says {type(refusal).__name__}: {refusal}; b158: {ours(program, model, text, messages, variables)[1]}")
                continue
            rendered += 1
            text, reason = ours(program, model, text, messages, variables)
            if text == expected:
                equal += 1
            elif reason:
                wrong.append(f"{name}: {reason}")
            else:
                changes = difflib.unified_diff(expected.splitlines(), text.splitlines(), "jinja2", "b158", lineterm="", n=0)
                wrong.append(f"{name}:\n" + "\n".join(f"    {line}" for line in list(changes)[:12]))
        print(f"{case}: {equal} of {rendered} equal ({len(found)} templates)")
        for line in wrong:
            print("  " + line)
        failed |= equal != rendered or rendered == 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
