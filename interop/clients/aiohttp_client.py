"""Python's `aiohttp` as a client."""

import asyncio
import contextlib
import json

import aiohttp
from aiohttp import WSMsgType, WSServerHandshakeError
from checks import Spec, authenticate, run, same

spec = Spec()


@contextlib.asynccontextmanager
async def connected(token, url):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(
            url,
            headers=spec.fields(token),
            protocols=spec.subprotocols(token),
            origin=spec.page(),
            max_msg_size=0,
            compress=15,
            autoping=False,
        ) as socket:
            yield socket


@contextlib.asynccontextmanager
async def opened(token, url=None):
    async with connected(token, url or spec.url) as socket:
        if spec.carrier == "message":
            await socket.send_str(authenticate(token))
            same(json.loads(await socket.receive_str())["auth"]["type"], "accepted")
        same(socket.protocol, "chat")
        yield socket


async def texts(*messages):
    async with opened(spec.token) as socket:
        for message in messages:
            await socket.send_str(message)
            same(await socket.receive_str(), message)


async def binaries(*messages):
    async with opened(spec.token) as socket:
        for message in messages:
            await socket.send_bytes(message)
            same(await socket.receive_bytes(), message)


async def large():
    await texts("x" * (1 << 20))
    await binaries(bytes(1 << 20))


async def ping():
    async with opened(spec.token) as socket:
        await socket.ping(b"are you there?")
        answer = await socket.receive()
        same((answer.type, bytes(answer.data)), (WSMsgType.PONG, b"are you there?"))


async def close():
    async with opened(spec.token) as socket:
        await socket.close(code=4321, message=b"goodbye")
        same(socket.close_code, 4321)


async def closed_with(socket):
    while True:
        message = await socket.receive()
        if message.type is WSMsgType.CLOSE:
            return (message.data, message.extra)
        if message.type is not WSMsgType.TEXT:
            raise AssertionError(f"{message.type} instead of a close")


async def closed():
    async with opened(spec.token) as socket:
        await socket.send_str("close 4555")
        same(await closed_with(socket), (4555, "as you wish"))


async def expiry():
    async with opened(spec.short) as socket:
        same(await closed_with(socket), (4401, "token_expired"))


async def refresh():
    async with opened(spec.token, spec.band) as socket:
        await socket.send_str(authenticate(spec.another, "refresh"))
        same(json.loads(await socket.receive_str())["auth"]["type"], "accepted")
        await socket.send_str("still here")
        same(await socket.receive_str(), "still here")


async def refused():
    try:
        async with connected(spec.forged, spec.url) as socket:
            if spec.carrier == "message":
                for _ in range(3):
                    await socket.send_str(authenticate(spec.forged))
            elif spec.carrier != "cookie":
                raise AssertionError("it was let in")
            same(await closed_with(socket), (4401, "invalid_token"))
    except WSServerHandshakeError as answer:
        same(answer.status, 401)


async def compressed():
    async with opened(spec.token) as socket:
        same(bool(socket.compress), spec.carrier != "message")


async def identity():
    async with opened(spec.token) as socket:
        await socket.send_str("who")
        same(await socket.receive_str(), "alice")


asyncio.run(run({
    "identity": identity,
    "text": lambda: texts("hello", "", "na\u00efve \U0001f980"),
    "binary": lambda: binaries(bytes(range(256)), b""),
    "fragments": None,
    "large": large,
    "ping": ping,
    "close": close,
    "closed": closed,
    "expiry": expiry,
    "refresh": refresh,
    "refused": refused,
    "compressed": compressed,
}))
