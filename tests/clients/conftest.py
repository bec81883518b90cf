import os
import subprocess

import pytest
from server import EMBEDDING, PROGRAM, Server

# Clients take a proxy of the environment for these addresses too.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"


@pytest.fixture(scope="session")
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def embedder():
    with Server(model=EMBEDDING) as running:
        yield running


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory):
    """Random weights that take their time, and room for thousands of tokens."""
    path = tmp_path_factory.mktemp("model") / "slow.gguf"
    shape = "--preset tiny --layers 12 --embedding 768 --heads 12 --kv-heads 6 --feed-forward 2304 --context 4096".split()
    subprocess.run([PROGRAM, "synth", *shape, "-o", path], check=True, stderr=subprocess.DEVNULL)
    return str(path)
