"""Challenge and response with clients that others wrote: SCRAM by `scramp`, raw signatures by
`cryptography`."""

import asyncio
import base64
import json
import pathlib
import sys
import tempfile
import urllib.request

import scramp
import websockets
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives import hashes, serialization

import rig

PASSWORD = "pass\u00adwo\u2168rd \u00e9"  # SASLprep: a soft hyphen goes, a Roman nine is IX


def gateway(binary, folder, behind):
    folder = pathlib.Path(folder)
    (folder / "admin.token").write_text("vsa_" + "a" * 48)
    (folder / "admin.token").chmod(0o600)
    (folder / "vestibule.toml").write_text(f"""
[server]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"
token_file = "{folder / 'admin.token'}"

[auth]

[log]
level = "info"
format = "json"

[[routes]]
path = "/band"
upstream = "ws://{behind}/"
accept = ["message"]
mechanisms = ["scram-sha-256", "public-key"]
auth_deadline = "30s"
""")
    known = {}

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        if "listening" in line:
            known[line["role"]] = line["listening"]
        return known if {"public", "admin"} <= known.keys() else None

    return rig.Process([binary, "serve", "-c", folder / "vestibule.toml"], "stderr", find)


def add(address, what, members):
    request = urllib.request.Request(
        f"http://{address}/api/v1/{what}",
        json.dumps(members).encode(),
        {"Authorization": "Bearer vsa_" + "a" * 48, "Host": "localhost"},
    )
    return json.load(urllib.request.urlopen(request))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def say(socket, **members):
    await socket.send(json.dumps({"auth": members}, separators=(",", ":")))
    return json.loads(await socket.recv())["auth"]


async def echoes(socket):
    await socket.send("hello")
    return await socket.recv() == "hello"


async def scram(address, user, password):
    client = scramp.ScramClient(["SCRAM-SHA-256"], user, password)
    async with websockets.connect(f"ws://{address}/band") as socket:
        said = await say(
            socket, type="authenticate", mechanism="scram-sha-256", message=client.get_client_first()
        )
        client.set_server_first(said["message"])
        said = await say(socket, type="respond", message=client.get_client_final())
        if said["type"] == "rejected":
            return said["error"]
        client.set_server_final(said["message"])  # raises where the server did not know it
        return said["subject"] if await echoes(socket) else "no echo"


async def signature(address, fingerprint, sign):
    async with websockets.connect(f"ws://{address}/band") as socket:
        said = await say(
            socket, type="authenticate", mechanism="public-key", key=fingerprint
        )
        parts = ["vestibule-public-key-v1", said["nonce"], address, "/band", ""]
        signed = base64url(sign("\0".join(parts).encode()))
        said = await say(socket, type="respond", signature=signed)
        if said["type"] == "rejected":
            return said["error"]
        return said["subject"] if await echoes(socket) else "no echo"


def p256(key):
    def sign(message):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def line(key):
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*form).decode()


def main():
    built = pathlib.Path(sys.argv[1])
    edwards, curve = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.upstream(echo) as upstream,
        gateway(built / "vestibule", folder, upstream.address) as running,
    ):
        public, admin = running.address["public"], running.address["admin"]
        add(admin, "users", {"name": "alice", "password": PASSWORD})
        keys = [add(admin, "public-keys", {"user": "alice", "key": line(key)})["fingerprint"]
                for key in (edwards, curve)]
        runs = [
            ("scramp", "alice", scram(public, "alice", PASSWORD)),
            ("scramp, as prepared", "alice", scram(public, "alice", "passwoIXrd \u00e9")),
            ("scramp, wrong", "invalid_credentials", scram(public, "alice", "wrong password")),
            ("scramp, unknown", "invalid_credentials", scram(public, "nobody", PASSWORD)),
            ("Ed25519", "alice", signature(public, keys[0], edwards.sign)),
            ("P-256", "alice", signature(public, keys[1], p256(curve))),
            ("another key", "invalid_credentials", signature(public, keys[0], p256(curve))),
        ]
        faults = 0
        for name, wanted, run in runs:
            said = asyncio.run(run)
            faults += said != wanted
            print(f"{name:22} {'ok' if said == wanted else f'FAILED: {said}'}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
