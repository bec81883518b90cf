"""Two servers behind HAProxy, by the file that a reader is given: balancer/haproxy.cfg."""

import asyncio
import os
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from server import ENDLESS, Server

CONFIG = Path(__file__).with_name("balancer") / "haproxy.cfg"
# Alike in all talks, and longer than what tells them apart.
SYSTEM = {"role": "system", "content": "You tell stories to children. Be kind, and use short words. " * 3}
TALKS = 12


def free_ports(count):
    """Held together, so that no two are the same."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Machines:
    """Both servers and the balancer. A server that was killed can come back where it was."""

    def __init__(self):
        front, *ports = free_ports(3)
        self.ports = dict(zip(("one", "two"), ports))
        self.servers = {}
        for name in self.ports:
            self.start(name)
        environment = {**os.environ, "FRONT": f"127.0.0.1:{front}", **{name.upper(): f"127.0.0.1:{port}" for name, port in self.ports.items()}}
        self.balancer = subprocess.Popen(["haproxy", "-db", "-q", "-f", CONFIG], env=environment, stdin=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{front}/v1"
        try:
            self.until_serves("one", "two")
        except BaseException:
            self.close()
            raise

    def start(self, name):
        """Room for all that these tests ask at once, if only one is left."""
        self.servers[name] = Server("--queue", "12", port=self.ports[name])

    def until_serves(self, *names):
        """Until requests that belong to no talk reach these, and no other."""
        with httpx.Client(trust_env=False, timeout=ENDLESS) as client:
            seen = []
            for _ in range(ENDLESS * 10):
                try:
                    answer = client.get(f"{self.base}/models")
                    seen = [*seen, answer.headers.get("x-served-by") if answer.status_code == 200 else None][-4:]
                except httpx.ConnectError:
                    seen = []
                if len(seen) == 4 and set(seen) == set(names):
                    return
                time.sleep(0.1)
        raise AssertionError(f"{names} do not serve: {seen}")

    def close(self):
        self.balancer.terminate()
        self.balancer.wait(ENDLESS)
        for server in self.servers.values():
            server.stop()


@pytest.fixture(scope="module")
def machines():
    machines = Machines()
    yield machines
    machines.close()


def talk_of(index):
    return [SYSTEM, {"role": "user", "content": f"Tell me story number {index}."}]


def fields_of(index, **more):
    return {"model": "any", "messages": talk_of(index), "temperature": 0, "max_tokens": 12, **more}


def test_a_talk_stays_at_one_machine(machines):
    where = Counter()
    with OpenAI(base_url=machines.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
        for index in range(TALKS):
            messages, seen = talk_of(index), set()
            for turn in range(3):
                raw = client.chat.completions.with_raw_response.create(**fields_of(index, messages=messages))
                answer = raw.parse()
                seen.add(raw.headers["x-served-by"])
                if turn > 0:
                    # The machine has the talk still: all but the newest words, and how the last ones go on.
                    assert answer.usage.prompt_tokens_details.cached_tokens >= 0.95 * known, (index, turn)
                known = answer.usage.prompt_tokens
                messages = [*messages, answer.choices[0].message, {"role": "user", "content": "Go on."}]
            assert len(seen) == 1, f"talk {index} was at {seen}"
            where[seen.pop()] += 1
    assert set(where) == {"one", "two"}, where


@pytest.mark.parametrize("name", ["prompt_cache_key", "header", "parts", "no system"])
def test_what_a_talk_is_known_by(machines, name):
    where = Counter()
    with OpenAI(base_url=machines.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
        for index in range(TALKS):
            seen = set()
            for turn in range(2):
                asked = [{"role": "user", "content": f"Turn {turn}."}]
                more = {
                    "prompt_cache_key": {"messages": [SYSTEM, *asked], "prompt_cache_key": f"talk-{index}"},
                    "header": {"messages": [SYSTEM, *asked], "extra_headers": {"X-Session-Id": f"talk-{index}"}},
                    "parts": {"messages": [SYSTEM, {"role": "user", "content": [{"type": "text", "text": f"Story {index}"}]}, *asked]},
                    "no system": {"messages": [{"role": "user", "content": f"Story {index}"}, *asked]},
                }[name]
                raw = client.chat.completions.with_raw_response.create(**fields_of(index, max_tokens=1, **more))
                seen.add(raw.headers["x-served-by"])
            assert len(seen) == 1, f"talk {index} was at {seen}"
            where[seen.pop()] += 1
    assert set(where) == {"one", "two"}, where


def test_tokens_come_as_they_are_made(machines):
    """The first ones arrive while the machine is still at work."""
    with OpenAI(base_url=machines.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
        fields = fields_of(0, max_tokens=400, temperature=2, logprobs=True, stream=True)
        raw = client.chat.completions.with_raw_response.create(**fields)
        server = machines.servers[raw.headers["x-served-by"]]
        stream = raw.parse()
        next(iter(stream))
        assert server.metrics()["b158_slots_busy"] == 1
        # Who leaves the balancer leaves the machine.
        stream.close()
    server.until_idle()


class Load:
    """Asks until it is told to stop, and keeps what became of each request."""

    def __init__(self, machines, alone):
        self.machines, self.alone = machines, alone
        self.stopping = False
        self.under_way = Counter()
        self.right, self.lost, self.wrong = Counter(), [], []
        self.changed = asyncio.Event()

    async def worker(self, number):
        async with AsyncOpenAI(base_url=self.machines.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
            index = number
            while not self.stopping:
                index = (index + 5) % TALKS
                await self.one(client, index, stream=number % 3 != 0)

    async def one(self, client, index, stream):
        name, text, finish = None, "", None
        try:
            raw = await client.chat.completions.with_raw_response.create(**fields_of(index, max_tokens=100, stream=stream))
            name, answer = raw.headers["x-served-by"], raw.parse()
            if stream:
                self.began(name, 1)
                try:
                    async for chunk in answer:
                        text += chunk.choices[0].delta.content or ""
                        finish = chunk.choices[0].finish_reason or finish
                finally:
                    self.began(name, -1)
            else:
                text, finish = answer.choices[0].message.content, answer.choices[0].finish_reason
        except (openai.APIError, httpx.HTTPError) as error:
            self.lost.append((name, stream, finish, f"{type(error).__name__}: {error}"))
            return
        if (text, finish) == self.alone[index]:
            self.right[name] += 1
        else:
            self.wrong.append((name, stream, text, finish))

    def began(self, name, step):
        self.under_way[name] += step
        self.changed.set()

    async def until(self, told):
        while not told():
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), ENDLESS)


async def under_load(machines, end, answers_after):
    """Twelve clients, beside whom a machine comes to its end; they stop when the other has answered so many more."""
    async with AsyncOpenAI(base_url=machines.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
        answers = [await client.chat.completions.create(**fields_of(index, max_tokens=100)) for index in range(TALKS)]
    load = Load(machines, [(answer.choices[0].message.content, answer.choices[0].finish_reason) for answer in answers])
    workers = [asyncio.create_task(load.worker(number)) for number in range(12)]
    await load.until(lambda: load.under_way["one"] >= 2 and load.right["two"] > 0)
    await asyncio.to_thread(end)
    before = load.right["two"]
    await load.until(lambda: load.right["two"] > before + answers_after)
    load.stopping = True
    await asyncio.gather(*workers)
    return load


def test_a_machine_is_killed_under_load(machines):
    load = asyncio.run(under_load(machines, machines.servers["one"].process.kill, answers_after=40))
    machines.servers["one"].kill()
    assert not load.wrong, f"an end that looks like one: {load.wrong}"
    print(f"\n{sum(load.right.values())} answered, lost with the machine: {load.lost}")
    # Streams that had begun there, and each says so. Whatever had not begun was asked again of the other.
    assert 0 < len(load.lost) <= 12
    assert all(name == "one" and stream for name, stream, _, _ in load.lost), load.lost
    machines.until_serves("two")
    machines.start("one")
    machines.until_serves("one", "two")


def test_a_machine_that_ends_well_loses_nothing(machines):
    """SIGTERM: answers under way are finished, and new requests go to the other, though no check has failed yet."""
    load = asyncio.run(under_load(machines, machines.servers["one"].stop, answers_after=20))
    assert not load.wrong and not load.lost, (load.wrong, load.lost)
    machines.start("one")
    machines.until_serves("one", "two")


def test_a_full_queue_is_told_to_the_client(machines):
    """429 and its Retry-After reach the client, whose library waits and comes again."""
    limit = int(sum(machines.servers["one"].metrics()[name] for name in ("b158_slots", "b158_queue_limit")))

    async def run():
        async with httpx.AsyncClient(trust_env=False, timeout=ENDLESS) as client:
            async def one():
                # One talk, so one machine.
                answer = await client.post(f"{machines.base}/chat/completions", json=fields_of(0, max_tokens=20))
                return answer.status_code, answer.headers.get("retry-after"), answer.json()

            return await asyncio.gather(*(one() for _ in range(4 * limit)))

    answers = asyncio.run(run())
    texts = {answer["choices"][0]["message"]["content"] for status, _, answer in answers if status == 200}
    assert len(texts) == 1
    for status, retry_after, answer in answers:
        assert status == 200 or (status == 429 and int(retry_after) > 0 and answer["error"]["message"]), (status, answer)
