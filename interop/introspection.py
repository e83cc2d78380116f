"""Tokens that say nothing themselves: a real authorization server (`oidc-provider`) is asked about
them, and ends the connections of one that is revoked there."""

import asyncio
import base64
import json
import pathlib
import sys
import tempfile
import urllib.parse
import urllib.request

import websockets

import rig

AUDIENCE = "https://api.example.com"


def provider():
    def find(text):
        try:
            return json.loads(text)
        except ValueError:
            return None

    return rig.Process(["node", rig.HERE / "introspection" / "provider.mjs"], "stdout", find)


def gateway(binary, folder, issuer, behind):
    folder = pathlib.Path(folder)
    (folder / "client.secret").write_text("s3cret & more\n")
    asked = f"""
issuer = "{issuer}"
audiences = ["{AUDIENCE}"]
introspection_url = "{issuer}/token/introspection"
client_id = "gate:way"
client_secret_file = "{folder / 'client.secret'}"
clock_skew = "0s"
recheck = "300ms"
cache = "0s"
"""
    route = f"""
upstream = "ws://{behind}/"
accept = ["header"]
expiry_grace = "0s"
expiry_warning = "0s"
"""
    (folder / "vestibule.toml").write_text(f"""
[server]
listen = "127.0.0.1:0"

[log]
level = "info"
format = "json"

[[issuers]]
name = "people"
{asked}

[[issuers]]
name = "machines"
subject_claim = "client_id"
{asked}

[[routes]]
path = "/people"
issuers = ["people"]
scopes = ["chat"]
{route}

[[routes]]
path = "/machines"
issuers = ["machines"]
{route}
""")

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        return line.get("listening") if line.get("role") == "public" else None

    return rig.Process([binary, "serve", "-c", folder / "vestibule.toml"], "stderr", find)


def post(address, form):
    login = base64.b64encode(b"app:the+secret+of+the+app").decode()
    request = urllib.request.Request(
        address, urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {login}"}
    )
    return urllib.request.urlopen(request).read()


def machine(issuer):
    form = {"grant_type": "client_credentials", "scope": "chat", "resource": AUDIENCE}
    return json.loads(post(f"{issuer}/token", form))["access_token"]


def connect(address, path, token):
    fields = {"Authorization": f"Bearer {token}"}
    return websockets.connect(f"ws://{address}{path}", additional_headers=fields)


async def who(address, path, token):
    try:
        async with connect(address, path, token) as socket:
            await socket.send("who")
            return await socket.recv()
    except websockets.InvalidStatus as refused:
        return str(refused.response.status_code)


async def ended(address, token, end):
    """What closes a live connection after `end`."""
    try:
        async with asyncio.timeout(20), connect(address, "/people", token) as socket:
            for _ in range(5):
                await socket.send("who")
                await socket.recv()
                # So that it is asked about before.
                await asyncio.sleep(0.2)
            await asyncio.to_thread(end)
            await socket.recv()
    except websockets.ConnectionClosed as closed:
        return f"{closed.rcvd.code} {closed.rcvd.reason}"


def main():
    built = pathlib.Path(sys.argv[1])
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    with (
        tempfile.TemporaryDirectory() as folder,
        provider() as server,
        rig.upstream(echo) as upstream,
        gateway(built / "vestibule", folder, server.address["issuer"], upstream.address) as running,
    ):
        issued, public = server.address, running.address
        issuer, robot = issued["issuer"], machine(issued["issuer"])

        def revoke():
            post(f"{issuer}/token/revocation", {"token": issued["access"]})

        runs = [
            ("a user's token", "alice", who(public, "/people", issued["access"])),
            ("a machine's token", "app", who(public, "/machines", robot)),
            ("a token without a subject", "401", who(public, "/people", robot)),
            ("a refresh token", "401", who(public, "/people", issued["refresh"])),
            ("an invented token", "401", who(public, "/people", "x" * 43)),
            ("no token at all", "401", who(public, "/people", "a.b.c")),
            ("one that ends", "4401 token_expired", ended(public, issued["short"], lambda: None)),
            ("one that is revoked", "4410 token_revoked", ended(public, issued["access"], revoke)),
            ("and then", "401", who(public, "/people", issued["access"])),
        ]
        faults = 0
        for name, wanted, run in runs:
            said = asyncio.run(run)
            faults += said != wanted
            print(f"{name:26} {'ok' if said == wanted else f'FAILED: {said}'}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
