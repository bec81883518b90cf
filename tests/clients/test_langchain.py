"""LangChain's ChatOpenAI, as programs and notebooks use it."""

import json
from typing import Literal

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from server import ENDLESS

TALK = [SystemMessage("You tell stories."), HumanMessage("Tell me of a fox.")]


class City(BaseModel):
    """Where it is."""

    city: Literal["Oslo", "Lima"]


@tool(args_schema=City)
def look_up(city: str) -> str:
    """Looks the weather up."""
    return json.dumps({"city": city, "sky": "clear"})


def chat_of(server, **more):
    settings = {"base_url": server.base, "api_key": "none", "model": "b158", "temperature": 0, "max_completion_tokens": 150}
    return ChatOpenAI(**{**settings, "max_retries": 0, "timeout": ENDLESS, **more})


@pytest.fixture
def chat(server):
    return chat_of(server)


def test_invoke_and_stream(server):
    chat = chat_of(server, max_completion_tokens=24)
    whole = chat.invoke(TALK)
    assert whole.content and whole.usage_metadata["output_tokens"] <= 24 and whole.response_metadata["finish_reason"] in ("length", "stop")
    chunks = list(chat.stream(TALK, stream_usage=True))
    assert "".join(chunk.content for chunk in chunks) == whole.content and len(chunks) > 2
    total = sum(chunks[1:], chunks[0])
    assert total.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]
    assert [answer.content for answer in chat.batch([TALK] * 4)] == [whole.content] * 4


@pytest.mark.parametrize("choice", ["any", "look_up"])
def test_tools(chat, choice):
    bound = chat.bind_tools([look_up], tool_choice=choice, parallel_tool_calls=False, strict=True)
    called = bound.invoke(TALK)
    assert called.tool_calls and not called.invalid_tool_calls
    given = [look_up.invoke(call) for call in called.tool_calls]
    assert all(isinstance(message, ToolMessage) for message in given)
    assert chat.invoke([*TALK, called, *given], max_completion_tokens=16).content
    streamed = list(bound.stream(TALK))
    assert [call["args"] for call in sum(streamed[1:], streamed[0]).tool_calls] == [call["args"] for call in called.tool_calls]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat, method):
    assert isinstance(chat.with_structured_output(City, method=method, strict=True).invoke(TALK), City)
    found = chat.with_structured_output(City, method=method, strict=True, include_raw=True).invoke(TALK)
    assert isinstance(found["parsed"], City) and found["parsing_error"] is None


def test_a_prompt_that_is_too_long(chat):
    # LangChain knows it by words of the message, and shortens the talk then.
    with pytest.raises(ContextOverflowError):
        chat.invoke("fox " * 2000)


def test_embeddings(embedder):
    # Checking lengths would fetch another vendor's vocabulary.
    embeddings = OpenAIEmbeddings(base_url=embedder.base, api_key="none", model="b158", check_embedding_ctx_length=False)
    first, second = embeddings.embed_documents(["A fox sat in the park.", "Once upon a time"])
    assert embeddings.embed_query("Once upon a time") == pytest.approx(second, abs=1e-6) and first != second
