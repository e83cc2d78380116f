"""Authenticates for a client that cannot: it stands between Autobahn and the gateway.

`header` adds the field Authorization to the handshake. `message` completes the handshake, says the
first message, swallows `accepted`, and only then passes the gateway's answer on, so that the client
behind it sees nothing but its own conversation. All other bytes pass as they are.
"""

import asyncio
import json
import os
import sys

GATEWAY, CARRIER, TOKEN_FILE = sys.argv[1:]
HOST, PORT = GATEWAY.split(":")
with open(TOKEN_FILE) as file:
    TOKEN = file.read().strip()


def masked_text(text):
    """A text message in one frame, as a client sends it."""
    payload, mask = text.encode(), os.urandom(4)
    length = len(payload)
    assert 126 <= length < 65536
    head = bytes([0x81, 0xFE]) + length.to_bytes(2, "big") + mask
    return head + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


async def text(reader):
    """A text message in one short frame, as a server sends it."""
    first, length = await reader.readexactly(2)
    assert first == 0x81, f"a frame that begins with {first:#x}"
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    return (await reader.readexactly(length)).decode()


async def authenticate(far, head):
    """Sends the handshake; returns what was answered so far, for the client."""
    if CARRIER == "header":
        field = f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        far[1].write(head[:-2] + field)
        return b""
    far[1].write(head)
    answer = await far[0].readuntil(b"\r\n\r\n")
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    far[1].write(masked_text(json.dumps(
        {"auth": {"type": "authenticate", "mechanism": "bearer", "token": TOKEN}},
        separators=(",", ":"),
    )))
    said = json.loads(await text(far[0]))
    assert said["auth"]["type"] == "accepted", said
    return answer


async def pump(reader, writer):
    """Passes bytes on until the end, and the end with them."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, OSError):
        writer.close()


async def serve(*near):
    far = await asyncio.open_connection(HOST, int(PORT))
    try:
        head = await near[0].readuntil(b"\r\n\r\n")
        near[1].write(await authenticate(far, head))
        await asyncio.gather(pump(near[0], far[1]), pump(far[0], near[1]))
    finally:
        near[1].close()
        far[1].close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"listening {host}:{port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
