"""Challenge and response with clients that others wrote: SCRAM and OAUTHBEARER by `scramp` and a client of Kafka, raw signatures by
`cryptography`, SSH signatures by OpenSSH's agent."""

import asyncio
import base64
import json
import os
import pathlib
import shutil
import subprocess
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
PREPARED = "passwoIXrd \u00e9"


def gateway(binary, folder, behind, issuer):
    folder = pathlib.Path(folder)
    (folder / "admin.token").write_text("vsa_" + "a" * 48)
    (folder / "admin.token").chmod(0o600)
    (folder / "keys.json").write_text(json.dumps(issuer.jwks()))
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

[[issuers]]
name = "idp"
issuer = "{rig.ISSUER}"
audiences = ["{rig.AUDIENCE}"]
jwks_file = "{folder / 'keys.json'}"
clock_skew = "0s"

[[routes]]
path = "/sasl"
upstream = "ws://{behind}/"
accept = ["message"]
mechanisms = ["oauthbearer"]
auth_deadline = "30s"

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


async def kafka(mechanism, *arguments):
    """By the client of the npm package `@platformatic/kafka`, which prepares no password."""
    line = ["node", rig.HERE / "clients" / f"kafka_{mechanism}.mjs", *arguments]
    child = await asyncio.create_subprocess_exec(
        *line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = await child.communicate()
    return said.decode().strip() or errors.decode()[-300:]


async def signature(address, fingerprint, sign, form="signature"):
    async with websockets.connect(f"ws://{address}/band") as socket:
        said = await say(
            socket, type="authenticate", mechanism="public-key", key=fingerprint
        )
        parts = ["vestibule-public-key-v1", said["nonce"], address, "/band", ""]
        said = await say(socket, type="respond", **{form: sign("\0".join(parts).encode())})
        if said["type"] == "rejected":
            return said["error"]
        return said["subject"] if await echoes(socket) else "no echo"


def ed25519_raw(key):
    return lambda message: base64url(key.sign(message))


def p256_raw(key):
    def sign(message):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    return sign


class Agent:
    """An ssh-agent with two keys that are nowhere else."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "SSH_AUTH_SOCK": str(self.folder / "agent")}

    def __enter__(self):
        socket = self.environment["SSH_AUTH_SOCK"]
        self.child = subprocess.Popen(
            ["ssh-agent", "-D", "-a", socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.child.stdout.readline()  # it says where it listens once it does
        self.lines = {}
        for kind in ("ed25519", "ecdsa"):
            file = self.folder / kind
            self.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "alice@laptop", "-f", file)
            self.run("ssh-add", "-q", file)
            file.unlink()
            self.lines[kind] = file.with_suffix(".pub").read_text()
        return self

    def run(self, *line, given=b""):
        line = [str(word) for word in line]
        ran = subprocess.run(line, input=given, capture_output=True, env=self.environment)
        if ran.returncode:
            raise RuntimeError(f"{line[0]}: {ran.stderr.decode()}")
        return ran.stdout.decode()

    def sign(self, kind, namespace="vestibule"):
        file = self.folder / f"{kind}.pub"
        return lambda message: self.run(
            "ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", file, given=message
        )

    def forget(self):
        self.run("ssh-add", "-q", "-D")

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()
        self.child.stdout.close()


def line(key):
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*form).decode()


def main():
    built = pathlib.Path(sys.argv[1])
    edwards, curve = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    issuer = rig.Issuer()
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.upstream(echo) as upstream,
        gateway(built / "vestibule", folder, upstream.address, issuer) as running,
    ):
        public, admin = running.address["public"], running.address["admin"]
        add(admin, "users", {"name": "alice", "password": PASSWORD})
        keys = [add(admin, "public-keys", {"user": "alice", "key": line(key)})["fingerprint"]
                for key in (edwards, curve)]
        runs = [
            ("scramp", "alice", scram(public, "alice", PASSWORD)),
            ("scramp, as prepared", "alice", scram(public, "alice", PREPARED)),
            ("scramp, wrong", "invalid_credentials", scram(public, "alice", "wrong password")),
            ("scramp, unknown", "invalid_credentials", scram(public, "nobody", PASSWORD)),
            ("kafka", "alice", kafka("scram", public, "alice", PREPARED)),
            ("kafka, wrong", "invalid_credentials", kafka("scram", public, "alice", "wrong password")),
            ("kafka, unknown", "invalid_credentials", kafka("scram", public, "nobody", PREPARED)),
            ("kafka, token", "alice", kafka("oauthbearer", public, issuer.token())),
            ("kafka, forged", "invalid_token", kafka("oauthbearer", public, issuer.token(forged=True))),
            ("kafka, over", "token_expired", kafka("oauthbearer", public, issuer.token(-60))),
            ("Ed25519", "alice", signature(public, keys[0], ed25519_raw(edwards))),
            ("P-256", "alice", signature(public, keys[1], p256_raw(curve))),
            ("another key", "invalid_credentials", signature(public, keys[0], p256_raw(curve))),
        ]
        faults = sum(fault(*run) for run in runs)
        if shutil.which("ssh-agent"):
            faults += agent(public, admin)
        else:
            print("–      OpenSSH is not on this machine")
            faults += "CI" in os.environ
    return 1 if faults else 0


def agent(public, admin):
    """An agent signs: its keys are in no file any more."""
    with tempfile.TemporaryDirectory() as folder, Agent(folder) as ssh:
        names = {}
        for kind, text in ssh.lines.items():
            key = add(admin, "public-keys", {"user": "alice", "key": text})
            names[kind] = key["fingerprint"]

        def run(kind, *namespace, key=None):
            sign = ssh.sign(kind, *namespace)
            return signature(public, names[key or kind], sign, form="sshsig")

        faults = sum(
            fault(*row)
            for row in [
                ("ssh-agent, Ed25519", "alice", run("ed25519")),
                ("ssh-agent, P-256", "alice", run("ecdsa")),
                ("ssh-agent, a file's", "invalid_request", run("ed25519", "file")),
                ("ssh-agent, another", "invalid_credentials", run("ecdsa", key="ed25519")),
            ]
        )
        ssh.forget()
        try:
            asyncio.run(run("ed25519"))
        except RuntimeError:
            return faults
        print("FAILED: it was not the agent that signed")
        return faults + 1


def fault(name, wanted, run):
    said = asyncio.run(run)
    print(f"{name:22} {'ok' if said == wanted else f'FAILED: {said}'}", flush=True)
    return said != wanted


if __name__ == "__main__":
    sys.exit(main())
