"""As much of an MQTT broker (version 3.1.1) as it takes to say hello: CONNECT is answered by CONNACK."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

CONNECT, CONNACK = 0x10, bytes([0x20, 0x02, 0x00, 0x00])


async def answer(connection):
    try:
        async for message in connection:
            if message[0] & 0xF0 == CONNECT:
                await connection.send(CONNACK)
    except ConnectionClosed:
        # Some clients leave without a word.
        pass


async def main():
    async with serve(answer, "127.0.0.1", 0, subprotocols=["mqtt"]) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening {host}:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
