#!/usr/bin/env python3
"""Writes expected.json: what jinja2 makes of own/*.jinja and of the lines of language.txt.

    python3 tests/templates/make.py        needs jinja2; the tests of src/chat read what it writes
"""
import json, pathlib

from compare import BOS, EOS, TALK, TOOLS, environment, with_objects

HERE = pathlib.Path(__file__).parent
THOUGHT = TALK[:2] + [{"role": "assistant", "content": "<think>\nA fox?\n</think>\n\nA fox."}, TALK[3]]


def called(name, arguments, number):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


# As OpenAI's API has them: the arguments are texts.
ARGUMENTS = {"place": "Zürich \"ZRH\" & <b>", "days": 2, "more": [None, "x", 1.5], "deep": {"b": True}}
CALL = {"role": "assistant", "content": "", "tool_calls": [called("weather", ARGUMENTS, 1)]}
GIVEN = {"role": "tool", "content": "{\"sky\": \"</tool_response>blue\"}", "tool_call_id": "call_1", "name": "weather"}
ASKED = TALK[:2] + [CALL, GIVEN]
TWO = {"role": "assistant", "content": "Both.", "reasoning_content": "\nTwo?\n", "tool_calls": [called("weather", {}, 2), called("weather", {"place": "é"}, 3)]}
LATER = ASKED + [{"role": "assistant", "content": "Blue."}, TALK[3], TWO, {**GIVEN, "tool_call_id": "call_2"}, {**GIVEN, "tool_call_id": "call_3"}]
# talk, variables, whether the answer is to begin
CASES = {
    "one turn": (TALK[1:2], {}, True),
    "four turns": (TALK, {}, True),
    "no prompt": (TALK[1:], {}, False),
    "a thought": (THOUGHT, {"enable_thinking": False}, True),
    "tools": (TALK[:2], TOOLS, True),
    "none": ([], {}, True),
    "a call": (ASKED, TOOLS, True),
    "two calls": (LATER, TOOLS, True),
    "calls of tools that are gone": (LATER, {}, False),
}


def outcome(jinja, template, messages, variables, prompt):
    given = {"tools": None, "documents": None, "bos_token": BOS, "eos_token": EOS, **variables}
    try:
        text = jinja.from_string(template).render(messages=with_objects(messages), add_generation_prompt=prompt, **given)
        return {"text": text}
    except ValueError as refusal:
        return {"refused": str(refusal)} if "words" in str(refusal) or "turns" in str(refusal) else {"fails": True}
    except Exception:
        return {"fails": True}


def main():
    jinja, own, language = environment(), [], []
    templates = {path.stem: path.read_text() for path in sorted((HERE / "own").glob("*.jinja"))}
    templates["crlf"] = templates["generation"].replace("\n", "\r\n")
    templates["cr"] = templates["set-block"].replace("\n", "\r")
    templates["long"] = "{#" + " c" * 20_000 + "#}" + templates["namespace"]
    for name, template in templates.items():
        for case, (messages, variables, prompt) in CASES.items():
            made = outcome(jinja, template, messages, variables, prompt)
            own.append({"template": name, "case": case, "expected": made})
    for line in (HERE / "language.txt").read_text().replace("\\\n", "\\\0").split("\n"):
        if line:
            template = line.replace("\0", "\n")
            language.append({"template": template, "expected": outcome(jinja, template, TALK, {}, True)})
    cases = {case: {"messages": m, "variables": v, "prompt": p} for case, (m, v, p) in CASES.items()}
    written = json.dumps({"cases": cases, "own": own, "language": language}, ensure_ascii=False, indent=1)
    (HERE / "expected.json").write_text(written + "\n")


if __name__ == "__main__":
    main()
