"""An echo server with Python's `websockets`. `close CODE` closes; `who` tells the identity."""

import asyncio
import re

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

CLOSE = re.compile(r"close (\d{4})")


async def answer(connection):
    try:
        await echo(connection)
    except ConnectionClosed:
        # Some clients leave without a word.
        pass


async def echo(connection):
    async for message in connection:
        if message == "who":
            await connection.send(connection.request.headers.get("X-Vestibule-Subject", ""))
        elif isinstance(message, str) and (asked := CLOSE.fullmatch(message)):
            await connection.close(int(asked[1]), "as you wish")
        else:
            await connection.send(message)


def choose(_, offered):
    return "chat" if "chat" in offered else None


async def main():
    async with serve(answer, "127.0.0.1", 0, select_subprotocol=choose, max_size=None) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening {host}:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
