"""Python's `websockets` as a client."""

import asyncio
import contextlib
import json

from checks import Spec, authenticate, run, same
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

spec = Spec()


@contextlib.asynccontextmanager
async def opened(token, url=None):
    url = url or spec.url
    async with connect(
        url,
        additional_headers=spec.fields(token),
        subprotocols=spec.subprotocols(token),
        origin=spec.page(),
        max_size=None,
    ) as socket:
        if spec.carrier == "message":
            await socket.send(authenticate(token))
            same(json.loads(await socket.recv())["auth"]["type"], "accepted")
        same(socket.subprotocol, "chat")
        yield socket


async def echoed(*messages):
    async with opened(spec.token) as socket:
        for message in messages:
            await socket.send(message)
            same(await socket.recv(), message)


async def identity():
    async with opened(spec.token) as socket:
        await socket.send("who")
        same(await socket.recv(), "alice")


async def fragments():
    async with opened(spec.token) as socket:
        await socket.send(["one, ", "", "two, ", "three"])
        same(await socket.recv(), "one, two, three")
        await socket.send([b"\0" * 70_000, b"\1" * 70_000])
        same(await socket.recv(), b"\0" * 70_000 + b"\1" * 70_000)


async def ping():
    async with opened(spec.token) as socket:
        await (await socket.ping("are you there?"))


async def close():
    async with opened(spec.token) as socket:
        await socket.close(4321, "goodbye")
        same(socket.close_code, 4321)


async def closed_with(socket):
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason)


async def closed():
    async with opened(spec.token) as socket:
        await socket.send("close 4555")
        same(await closed_with(socket), (4555, "as you wish"))


async def expiry():
    async with opened(spec.short) as socket:
        same(await closed_with(socket), (4401, "token_expired"))


async def refresh():
    async with opened(spec.token, spec.band) as socket:
        await socket.send(authenticate(spec.another, "refresh"))
        same(json.loads(await socket.recv())["auth"]["type"], "accepted")
        await socket.send("still here")
        same(await socket.recv(), "still here")


async def refused():
    try:
        async with connect(
            spec.url,
            additional_headers=spec.fields(spec.forged),
            subprotocols=spec.subprotocols(spec.forged),
            origin=spec.page(),
        ) as socket:
            if spec.carrier == "message":
                for _ in range(3):
                    await socket.send(authenticate(spec.forged))
            elif spec.carrier != "cookie":
                raise AssertionError("it was let in")
            same(await closed_with(socket), (4401, "invalid_token"))
    except InvalidStatus as answer:
        same(answer.response.status_code, 401)
        same(json.loads(answer.response.body)["error"], "invalid_token")


async def compressed():
    async with opened(spec.token) as socket:
        names = [extension.name for extension in socket.protocol.extensions]
        same(names, [] if spec.carrier == "message" else ["permessage-deflate"])


asyncio.run(run({
    "identity": identity,
    "text": lambda: echoed("hello", "", "na\u00efve \U0001f980"),
    "binary": lambda: echoed(bytes(range(256)), b""),
    "fragments": fragments,
    "large": lambda: echoed("x" * (1 << 20), bytes(1 << 20)),
    "ping": ping,
    "close": close,
    "closed": closed,
    "expiry": expiry,
    "refresh": refresh,
    "refused": refused,
    "compressed": compressed,
}))
