"""A token in each message, sent by Python's `websockets`, in envelopes that Python's `json` wrote."""

import asyncio
import json
import pathlib
import sys
import tempfile

import websockets

import rig


def sealed(token, data, **options):
    return json.dumps({"auth": {"token": token}, "data": data}, **options)


async def closed_with(socket):
    try:
        while True:
            await socket.recv()
    except websockets.ConnectionClosed as end:
        return end.rcvd.code, end.rcvd.reason


async def told(socket):
    return json.loads(await socket.recv())["auth"]


async def passes(address, issuer):
    """Whatever `json` writes passes, in each of its styles, and what passes is what was written."""
    values = [None, 1.5e300, -7, "na\u00efve \U0001f980 \u2028", {"a": [{"b": {}}], "\u00e9": ""}, "x" * 50_000]
    styles = [{}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":"), "sort_keys": True}]
    async with websockets.connect(f"ws://{address}/each", subprotocols=["chat"]) as socket:
        for value in values:
            for style in styles:
                await socket.send(sealed(issuer.token(), value, **style))
                # Indented once more inside of the envelope: compared as a value, then.
                if json.loads(await socket.recv()) != value:
                    return f"{value!r} did not pass"
        written = '{ "b":1, "a" : [1.0, 2e0],"b": 2 }'
        await socket.send(f'{{"data": {written} , "auth": {{"token": "{issuer.token()}"}}}}')
        return "ok" if await socket.recv() == written else "it was written anew"


async def fragments(address, issuer):
    text = sealed(issuer.token(), "in pieces")
    async with websockets.connect(f"ws://{address}/each", subprotocols=["chat"]) as socket:
        await socket.send([text[:9], "", text[9:40], text[40:]])
        same = await socket.recv() == '"in pieces"'
        await (await socket.ping("are you there?"))
        await socket.send([text[:1], text[1:]])
        same = same and await socket.recv() == '"in pieces"'
        return "ok" if same else "something else came back"


async def rejected(address, issuer):
    """A bad token is about its message alone, before the first good one and after."""
    said = []
    async with websockets.connect(f"ws://{address}/each", subprotocols=["chat"]) as socket:
        for _ in range(2):
            for token in [issuer.token(forged=True), issuer.token(-60)]:
                await socket.send(sealed(token, "bad"))
                said.append((await told(socket))["error"])
            await socket.send(sealed(issuer.token(), "good"))
            said.append(json.loads(await socket.recv()))
        await socket.send(sealed(issuer.token(subject="bob"), "another's"))
        said.append((await told(socket))["error"])
    wanted = ["invalid_token", "token_expired", "good"] * 2 + ["identity_changed"]
    return "ok" if said == wanted else said


async def nonsense(address, issuer):
    texts = ["hello", sealed(issuer.token(), 1) + "x", b"\x00", '{"data":1}']
    said = []
    for text in texts:
        async with websockets.connect(f"ws://{address}/each", subprotocols=["chat"]) as socket:
            await socket.send(text)
            said.append(await closed_with(socket))
    return "ok" if said == [(4400, "invalid_request")] * len(texts) else said


async def expiry(address, issuer):
    async with websockets.connect(f"ws://{address}/each", subprotocols=["chat"]) as socket:
        await socket.send(sealed(issuer.token(4), 1))
        await socket.recv()
        said = await closed_with(socket)
    return "ok" if said == (4401, "token_expired") else said


def main():
    built, issuer = pathlib.Path(sys.argv[1]), rig.Issuer()
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    faults = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.upstream(echo) as upstream,
        rig.gateway(built / "vestibule", folder, issuer.jwks(), upstream.address) as gateway,
    ):
        for check in [passes, fragments, rejected, nonsense, expiry]:
            said = asyncio.run(asyncio.wait_for(check(gateway.address, issuer), 60))
            faults += said != "ok"
            print(f"{check.__name__:22} {said if said == 'ok' else f'FAILED: {said}'}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
