"""curl, as a guide's reader types it."""

import json
import subprocess

from server import Server

CHAT = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8, "temperature": 0}


def curl(*args, body=None):
    """Output of curl, and the status that it saw."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "120", "--write-out", "\n%{http_code}", *args]
    if body is not None:
        command += ["--header", "Content-Type: application/json", "--data-binary", body if isinstance(body, str) else json.dumps(body)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), text


def test_chat(server):
    status, text = curl(f"{server.base}/chat/completions", body=CHAT)
    assert status == 200
    assert json.loads(text)["choices"][0]["message"]["content"]


def test_stream(server):
    status, text = curl("--no-buffer", f"{server.base}/chat/completions", body={**CHAT, "stream": True})
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line.strip()]
    assert status == 200 and events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    whole = json.loads(curl(f"{server.base}/chat/completions", body=CHAT)[1])
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == whole["choices"][0]["message"]["content"]


def test_what_is_wrong_is_json(server):
    for body, status in [("{", 400), ("[]", 400), ({**CHAT, "temperature": "hot"}, 400)]:
        found, text = curl(f"{server.base}/chat/completions", body=body)
        assert found == status and json.loads(text)["error"]["message"]
    # Without a header curl sends a form.
    found, text = curl("--data", "a=b", f"{server.base}/chat/completions")
    assert found in (400, 415) and json.loads(text)["error"]["message"]


def test_a_large_body_that_waits_to_be_asked_for(server):
    # curl asks first (Expect: 100-continue) and sends when it is told to.
    body = {**CHAT, "messages": [{"role": "user", "content": "fox " * 300_000}]}
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "120", "--header", "Expect: 100-continue", "--write-out", "\n%{http_code}"]
    command += ["--header", "Content-Type: application/json", "--data-binary", "@-", f"{server.base}/chat/completions"]
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True)
    text, status = done.stdout.rsplit("\n", 1)
    assert status in ("400", "413") and json.loads(text)["error"]["message"], done


def test_both_addresses_of_this_machine(server):
    for host in ("127.0.0.1", "[::1]", "localhost"):
        status, text = curl(f"http://{host}:{server.port}/v1/models")
        assert status == 200 and json.loads(text)["data"]


def test_keys():
    with Server(key="a-secret") as guarded:
        models = f"{guarded.base}/models"
        assert curl(models)[0] == 401
        assert curl("--header", "Authorization: Bearer a-secret", models)[0] == 200
        assert curl(f"{guarded.root}/health")[0] == 200
