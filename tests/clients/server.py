"""Servers that a test starts, and requests over plain sockets for what a client library would not do."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("B158_PROGRAM", str(ROOT / "target/debug/b158"))
STORIES = str(ROOT / "tests/models/stories-I2_S.gguf")
EMBEDDING = str(ROOT / "tests/golden/family/E1.gguf")

# For the slow model of conftest.py, whose text has no end then.
ENDLESS_ANSWER = {"messages": [{"role": "user", "content": "A fox"}], "max_tokens": 3500, "stream": True, "logit_bias": {"497": -100}, "logprobs": True}

# How long a wait may last before it is called endless: a bound for what never comes, not a time that is asked for.
ENDLESS = 120


class Server:
    """`b158 serve` in a process of its own. It is there when it has said where it listens."""

    def __init__(self, *args, model=STORIES, port=0, key=None):
        command = [PROGRAM, "serve", "-m", model, "--port", str(port), *args]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("B158_")}
        if key is not None:
            environment["B158_API_KEY"] = key
        self.key = key
        self.lines = []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        self.port = None
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listens.wait(ENDLESS) or self.port is None:
            self.kill()
            raise AssertionError(f"{command} does not say where it listens:\n{self.said()}")
        # It listens before the model is loaded, and says 503 till then.
        while self.process.poll() is None and self.ask("GET", "/health")[0] != 200:
            pass

    def _read(self):
        # Whoever does not read stops a server that logs.
        for line in self.process.stderr:
            self.lines.append(line.decode("utf-8"))
            if self.port is None and (found := re.search(r"http://127\.0\.0\.1:(\d+)", self.lines[-1])):
                self.port = int(found[1])
                self._listens.set()
        self._listens.set()

    def said(self):
        return "".join(self.lines)

    @property
    def root(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self):
        return f"{self.root}/v1"

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(ENDLESS)
        self._reader.join(ENDLESS)

    def stop(self):
        """As a service manager ends it: nothing is under way any more, so it must go, and well."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(ENDLESS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM does not end it:\n{self.said()}") from None
        assert status == 0, f"it ended with {status}:\n{self.said()}"

    def ask(self, method, path, body=None, timeout=ENDLESS, headers=()):
        """One request on a connection of its own: status, headers in small letters, body."""
        headers = dict(headers)
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def metrics(self):
        """The samples of /metrics, by their names with labels."""
        status, _, body = self.ask("GET", "/metrics")
        assert status == 200, body
        lines = (line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
        return defaultdict(float, {name: float(value) for name, value in lines})

    def until(self, told, what):
        """Asks /metrics until `told` holds of it: the server has no event for these."""
        for _ in range(ENDLESS * 20):
            metrics = self.metrics()
            if told(metrics):
                return metrics
            time.sleep(0.05)
        raise AssertionError(f"never {what}: {dict(metrics)}\n{self.said()[-2000:]}")

    def until_idle(self):
        return self.until(lambda now: now["b158_slots_busy"] == 0 and now["b158_queue_length"] == 0, "idle")
