"""The official client of PyPI. Forms and calls are held by the server's masks, so that a tiny model keeps them too."""

import asyncio
import json
from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field
from server import ENDLESS, ENDLESS_ANSWER, Server

TALK = [{"role": "user", "content": "Tell me a story about a fox."}]
STORY = "Once upon a time"
# The most likely text, always the same.
PLAIN = {"temperature": 0, "max_tokens": 24}


class Weather(BaseModel):
    """Everything has a bound, so that the answer has an end."""

    sky: Literal["clear", "cloudy", "rain"]
    degrees: int = Field(ge=-40, le=50)
    windy: bool
    words: list[Literal["warm", "cold", "wet"]] = Field(max_length=2)


class Call(BaseModel):
    """Looks the weather up."""

    city: Literal["Oslo", "Lima"]
    days: int = Field(ge=1, le=7)


CALL = openai.pydantic_function_tool(Call, name="look_up")


def client_of(server, **more):
    settings = {"base_url": server.base, "api_key": server.key or "none", "max_retries": 0, "timeout": ENDLESS, **more}
    return OpenAI(**settings)


@pytest.fixture
def client(server):
    with client_of(server) as client:
        yield client


@pytest.fixture
def model(client):
    return client.models.list().data[0].id


@pytest.fixture
def ask(client, model):
    return lambda **fields: client.chat.completions.create(**{"model": model, "messages": TALK, **PLAIN, **fields})


def joined(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# ---------------------------------------------------------------- chat


def test_chat(ask, model):
    answer = ask()
    assert answer.object == "chat.completion" and answer.model == model and answer.id
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("length", "stop")
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens <= 24
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    again = ask()
    assert again.id != answer.id and again.choices[0].message.content == answer.choices[0].message.content


def test_chat_with_a_seed(ask):
    warm = {"temperature": 1.5, "max_tokens": 40}
    texts = [ask(**warm, seed=seed).choices[0].message.content for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]


def test_stream(ask):
    whole = ask()
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    assert {chunk.id for chunk in chunks} == {chunks[0].id} and chunks[0].object == "chat.completion.chunk"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert joined(chunks) == whole.choices[0].message.content
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == whole.choices[0].finish_reason and not any(finishes[:-1])
    assert chunks[-1].choices == [] and not any(chunk.usage for chunk in chunks[:-1])
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [getattr(chunks[-1].usage, name) for name in counts] == [getattr(whole.usage, name) for name in counts]


def test_the_clients_own_reader_of_streams(client, model, ask):
    # The end of a sentence, since the client raises where an answer was cut.
    fields = {"max_tokens": 200, "stop": "."}
    with client.chat.completions.stream(model=model, messages=TALK, temperature=0, **fields) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds and kinds[-1] == "content.done"
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content == ask(**fields).choices[0].message.content


def test_logprobs(ask):
    answer = ask(logprobs=True, max_tokens=4)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens
    assert all(token.logprob <= 0 and token.bytes and token.top_logprobs == [] for token in tokens)
    streamed = [chunk.choices[0].logprobs for chunk in ask(logprobs=True, max_tokens=4, stream=True) if chunk.choices]
    assert [token for part in streamed if part for token in part.content] == tokens
    with pytest.raises(openai.BadRequestError, match="top_logprobs"):
        ask(logprobs=True, top_logprobs=2)


# ---------------------------------------------------------------- forms


def test_json_object(ask):
    answer = ask(response_format={"type": "json_object"}, max_tokens=200)
    # Nothing bounds such an object, so that it may be cut.
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_json_schema(ask):
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["Pip", "Mia"]}, "age": {"type": "integer", "minimum": 1, "maximum": 99}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
    answer = ask(response_format=form, max_tokens=80)
    assert answer.choices[0].finish_reason == "stop"
    value = json.loads(answer.choices[0].message.content)
    assert value["name"] in ("Pip", "Mia") and 1 <= value["age"] <= 99 and len(value) == 2
    assert joined(ask(response_format=form, max_tokens=80, stream=True)) == answer.choices[0].message.content


@pytest.mark.parametrize("warmth", [0, 1, 2])
def test_parse(client, model, warmth):
    answer = client.chat.completions.parse(model=model, messages=TALK, response_format=Weather, max_tokens=150, temperature=warmth, seed=5)
    assert isinstance(answer.choices[0].message.parsed, Weather)


def test_parse_of_what_was_cut(client, model):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=model, messages=TALK, response_format=Weather, max_tokens=3)


def test_parse_of_a_stream(client, model):
    with client.chat.completions.stream(model=model, messages=TALK, response_format=Weather, max_tokens=150, temperature=0) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Weather)


def test_a_schema_that_cannot_be_kept_is_named(ask):
    form = {"type": "json_schema", "json_schema": {"name": "bad", "schema": {"type": "object", "unevaluatedProperties": 3, "minimum": "x"}}}
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(response_format=form, stream=stream)
        assert refused.value.type == "invalid_request_error" and "response_format" in f"{refused.value.param} {refused.value.message}"


# ---------------------------------------------------------------- tools

# A model this small would call until its room is full.
ONE_CALL = {"tools": [CALL], "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 150}


def checked(call):
    assert call.type == "function" and call.function.name == "look_up" and call.id
    return Call.model_validate_json(call.function.arguments)


def test_tools(ask):
    answer = ask(**ONE_CALL)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    checked(call)
    # What the tool gave goes back in the client's own shapes.
    talk = [*TALK, choice.message, {"role": "tool", "tool_call_id": call.id, "content": '{"sky":"clear"}'}]
    after = ask(messages=talk)
    assert after.choices[0].message.content and not after.choices[0].message.tool_calls


def test_several_calls(ask):
    answer = ask(**{**ONE_CALL, "parallel_tool_calls": True}).choices[0]
    assert len(answer.message.tool_calls) > 1 and len({call.id for call in answer.message.tool_calls}) == len(answer.message.tool_calls)
    # The last one is cut.
    for call in answer.message.tool_calls[:-1]:
        checked(call)


def test_no_call(ask):
    answer = ask(**{**ONE_CALL, "tool_choice": "none", "max_tokens": 20}).choices[0]
    assert answer.message.content and not answer.message.tool_calls


def test_a_tool_by_name(ask):
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
    named = {"type": "function", "function": {"name": "look_up"}}
    answer = ask(tools=[other, CALL], tool_choice=named, max_tokens=150)
    assert [checked(call) for call in answer.choices[0].message.tool_calls]


def test_tools_in_a_stream(client, model, ask):
    whole = ask(**ONE_CALL).choices[0].message
    with client.chat.completions.stream(model=model, messages=TALK, temperature=0, **ONE_CALL) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
    assert final.choices[0].finish_reason == "tool_calls"
    streamed = final.choices[0].message
    assert [call.function.arguments for call in streamed.tool_calls] == [call.function.arguments for call in whole.tool_calls]
    assert isinstance(streamed.tool_calls[0].function.parsed_arguments, Call)


def test_parse_of_tools(client, model):
    answer = client.chat.completions.parse(model=model, messages=TALK, **ONE_CALL)
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Call)


# ---------------------------------------------------------------- the other endpoints


def test_models(client, model):
    page = client.models.list()
    assert page.object == "list" and page.data[0].object == "model" and page.data[0].created >= 0
    assert client.models.retrieve(model).id == model
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("no-such-model")
    assert "no-such-model" in refused.value.message


def test_completions(client, model):
    fields = {"model": model, **PLAIN}
    whole = client.completions.create(prompt=STORY, **fields)
    assert whole.object == "text_completion" and whole.choices[0].text and whole.usage.completion_tokens <= 24
    chunks = list(client.completions.create(prompt=STORY, stream=True, **fields))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    two = client.completions.create(prompt=["The fox", STORY], **fields)
    assert [choice.index for choice in two.choices] == [0, 1] and two.choices[1].text == whole.choices[0].text


def test_embeddings(embedder):
    texts = ["A fox sat in the park.", "Once upon a time"]
    with client_of(embedder) as client:
        model = client.models.list().data[0].id
        # The client itself asks for base64, and gives floats.
        found = client.embeddings.create(model=model, input=texts)
        floats = client.embeddings.create(model=model, input=texts[1], encoding_format="float")
    assert [each.index for each in found.data] == [0, 1] and found.usage.prompt_tokens > 0
    assert found.data[1].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert sum(x * x for x in found.data[0].embedding) == pytest.approx(1, abs=1e-4)


def test_embeddings_of_a_model_that_is_none(client, model):
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model=model, input="A fox")
    assert 400 <= refused.value.status_code < 500 and "embedding" in refused.value.message


# ---------------------------------------------------------------- errors


def test_bad_requests_name_the_field(ask):
    for fields, name in [
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 2.5}, "max_tokens"),
        ({"extra_body": {"max_token": 3}}, "max_token"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "role"),
    ]:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as refused:
                ask(**fields, stream=stream)
            error = refused.value
            assert error.status_code == 400 and error.type == "invalid_request_error", error.body
            assert name in f"{error.param} {error.message}", error.body


def test_a_prompt_that_is_too_long(ask):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(messages=[{"role": "user", "content": "fox " * 2000}])
    assert refused.value.code == "context_length_exceeded"


def test_what_is_not_there(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.post("/nothing", body={}, cast_to=object)
    assert refused.value.message


def test_keys():
    with Server(key="a-secret") as guarded:
        with client_of(guarded) as client:
            assert client.models.list().data
        with client_of(guarded, api_key="a-guess") as stranger, pytest.raises(openai.AuthenticationError) as refused:
            stranger.models.list()
        assert "a-guess" not in str(refused.value) and "a-secret" not in guarded.said()


def test_a_client_that_waits_too_long(server):
    with client_of(server, timeout=0.01) as client, pytest.raises((openai.APITimeoutError, openai.APIConnectionError)):
        client.chat.completions.create(model="any", messages=TALK, max_tokens=400, extra_body={"temperature": 1.9})
    server.until_idle()


def test_a_full_queue(slow_model):
    """RateLimitError; a client that may try again waits as long as it is told to, and has its answer once there is room."""

    async def run(server):
        async with AsyncOpenAI(base_url=server.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
            waiting = []
            for taken in ("b158_slots_busy", "b158_queue_length"):
                waiting.append(asyncio.create_task(client.chat.completions.create(model="any", **ENDLESS_ANSWER)))
                await asyncio.to_thread(server.until, lambda now: now[taken] == 1, f"one of {taken}")  # noqa: B023
            short = {"model": "any", "messages": TALK, "max_tokens": 1}
            with pytest.raises(openai.RateLimitError) as refused:
                await client.chat.completions.create(**short)
            assert int(refused.value.response.headers["retry-after"]) > 0 and refused.value.message
            patient = asyncio.create_task(client.with_options(max_retries=50).chat.completions.create(**short))
            refusals = 'b158_requests_total{path="/v1/chat/completions",status="429"}'
            await asyncio.to_thread(server.until, lambda now: now[refusals] >= 2, "refused again")
            await (await waiting[0]).close()
            waiting[1].cancel()
            assert (await patient).usage.completion_tokens == 1
            await asyncio.wait(waiting)

    with Server("--parallel", "1", "--queue", "1", model=slow_model) as server:
        asyncio.run(run(server))


def test_fields_that_change_nothing(client, model):
    """Those that programs send to OpenAI, and that are nothing here."""
    fields = {"user": "somebody", "store": False, "metadata": {"a": "b"}, "prompt_cache_key": "talk", "extra_body": {"my_own": 1}}
    raw = client.chat.completions.with_raw_response.create(model=model, messages=TALK, **PLAIN, **fields)
    assert raw.parse().choices[0].message.content
    assert "my_own" in raw.headers["x-ignored-fields"]


# ---------------------------------------------------------------- going away


def test_leaving_a_stream_ends_the_answer(client, model, server):
    before = server.until_idle()["b158_generated_tokens_total"]
    # Two choices of words that never end, cut after the first.
    stream = client.chat.completions.create(model=model, messages=TALK, max_tokens=450, temperature=2, stream=True)
    next(iter(stream))
    stream.close()
    after = server.until_idle()["b158_generated_tokens_total"]
    assert after - before < 450


def test_async(server):
    async def ask():
        async with AsyncOpenAI(base_url=server.base, api_key="none", max_retries=0, timeout=ENDLESS) as client:
            model = (await client.models.list()).data[0].id
            fields = {"model": model, "messages": TALK, **PLAIN}
            answers = await asyncio.gather(*(client.chat.completions.create(**fields) for _ in range(6)))
            texts = {answer.choices[0].message.content for answer in answers}
            chunks = [chunk async for chunk in await client.chat.completions.create(**fields, stream=True)]
            assert texts == {joined(chunks)}
            # A task that is cancelled takes its connection with it.
            task = asyncio.create_task(client.chat.completions.create(model=model, messages=TALK, max_tokens=450, temperature=2))
            while server.metrics()["b158_slots_busy"] == 0 and not task.done():
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(ask())
    server.until_idle()
