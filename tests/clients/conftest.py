import os

import pytest
from server import EMBEDDING, Server

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
