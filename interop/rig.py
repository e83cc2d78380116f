"""What the runs share: an issuer of tokens, and processes that say where they listen."""

import json
import pathlib
import subprocess
import tempfile
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HERE = pathlib.Path(__file__).resolve().parent
ISSUER = "https://id.example.com"
AUDIENCE = "https://api.example.com"
PAGE = "https://app.example.com"


class Issuer:
    """Makes RS256 tokens, with PyJWT."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "k", "use": "sig", "alg": "RS256"}]}

    def pem(self):
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, *form).decode()

    def token(self, seconds=3600, forged=False, subject="alice", **more):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + seconds}
        claims |= more
        key = self.forger if forged else self.key
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k"})


class Process:
    """A process that says on one of its streams where it listens; it is ended on exit."""

    def __init__(self, line, stream, find):
        self.line, self.stream, self.find = line, stream, find

    def __enter__(self):
        where = {"stdout": None, "stderr": None, self.stream: subprocess.PIPE}
        if self.stream == "stderr":
            self.log = tempfile.TemporaryFile()
            where["stdout"] = self.log
        self.child = subprocess.Popen(
            [str(word) for word in self.line], stdin=subprocess.DEVNULL, text=True, **where
        )
        pipe = self.child.stdout or self.child.stderr
        said = []
        for text in pipe:
            said.append(text)
            found = self.find(text)
            if found:
                self.address = found
                break
        else:
            raise RuntimeError(f"{self.line[0]} ended: {''.join(said)}")
        # Nobody may be made to wait because nobody reads.
        self.drain = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.DEVNULL)
        pipe.close()
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.drain.wait()


def upstream(line):
    """An upstream prints `listening HOST:PORT` as its first line."""
    def find(text):
        words = text.split()
        return words[1] if words[:1] == ["listening"] else None

    return Process(line, "stdout", find)


def gateway(binary, folder, jwks, behind):
    """The gateway before an upstream. `/head` takes what stands in the handshake; `/band` also
    takes messages; on `/each` each message carries its own token."""
    folder = pathlib.Path(folder)
    (folder / "keys.json").write_text(json.dumps(jwks))
    route = f"""
upstream = "ws://{behind}/"
origins = ["{PAGE}"]
expiry_grace = "0s"
expiry_warning = "0s"
auth_deadline = "30s"
"""
    config = folder / "vestibule.toml"
    config.write_text(f"""
[server]
listen = "127.0.0.1:0"
workers = 2
pending_per_address = 1000

[log]
level = "info"
format = "json"

[[issuers]]
name = "idp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
jwks_file = "{folder / 'keys.json'}"
clock_skew = "0s"

[[routes]]
path = "/head"
accept = ["header", "cookie", "subprotocol"]
cookie = "session"
{route}

[[routes]]
path = "/band"
accept = ["header", "cookie", "subprotocol", "message"]
cookie = "session"
subprotocols = ["chat"]
{route}

[[routes]]
path = "/each"
accept = ["per-message"]
subprotocols = ["chat"]
{route}
""")

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        return line.get("listening") if line.get("role") == "public" else None

    return Process([binary, "serve", "-c", config], "stderr", find)
