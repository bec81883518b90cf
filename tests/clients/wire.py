"""HTTP/1.1 by hand over asyncio: bodies that are cut, clients that hang up, and how slowly each reads and writes."""

import asyncio
import json
import socket


class Gone(Exception):
    """The connection ended before the answer was whole."""


def request(path, body, method="POST", length=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", "Connection: close"]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode(), body


async def connect(port, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=connection, limit=1 << 16)


async def answer(reader, pause=None):
    """Status, headers and body of an answer. With a pause it is read in small pieces, and slowly."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    fields = (line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:] if line)
    headers = {name.lower(): value.strip() for name, value in fields}
    rest = bytearray()
    while piece := await reader.read(1 << 16 if pause is None else 2000):
        rest += piece
        if pause is not None:
            await asyncio.sleep(pause)
    if "chunked" in headers.get("transfer-encoding", ""):
        return status, headers, unchunked(bytes(rest))
    if len(rest) != int(headers["content-length"]):
        raise Gone(f"{len(rest)} of {headers['content-length']} bytes")
    return status, headers, bytes(rest)


def unchunked(rest):
    parts = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not size:
            raise Gone("the last chunk is missing")
        size = int(size.split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        if len(rest) < size + 2:
            raise Gone("a chunk is cut")
        parts.append(rest[:size])
        rest = rest[size + 2 :]


async def exchange(port, path, body, method="POST", write_pause=None, read_pause=None):
    """One request on a connection of its own."""
    reader, writer = await connect(port, receive_buffer=None if read_pause is None else 4096)
    try:
        for piece in request(path, body, method):
            step = len(piece) or 1 if write_pause is None else 40
            for at in range(0, len(piece), step):
                writer.write(piece[at : at + step])
                await writer.drain()
                if write_pause is not None:
                    await asyncio.sleep(write_pause)
        return await answer(reader, read_pause)
    finally:
        writer.close()


async def broken(port, path, body, after=None, cut=None):
    """A client that goes: when `after` bytes of the answer have come, or when it has sent `cut` bytes of the body."""
    reader, writer = await connect(port)
    try:
        head, body = request(path, body)
        writer.write(head + body[:cut])
        await writer.drain()
        if after:
            await reader.read(after)
    finally:
        # With a reset, as when a process is killed, and not with a polite end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()


def text_of(body):
    """What a whole or a streamed answer says, and how it ended. A stream must have its last line."""
    if not body.startswith(b"data:"):
        choice = json.loads(body)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    events = [event.removeprefix("data:").strip() for event in body.decode("utf-8").split("\n\n") if event.startswith("data:")]
    assert events.pop() == "[DONE]", "the stream has no end"
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    finishes = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert len(finishes) == 1
    return "".join(choice["delta"].get("content") or "" for choice in choices), finishes[0]
