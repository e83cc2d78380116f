"""Tokens that are bound to a key (RFC 9449), with proofs by the npm package `dpop`."""

import json
import pathlib
import subprocess
import sys
import tempfile

import rig

WANTED = {
    "header": "hello",
    "the same proof again": 401,
    "another key": "401 invalid_token",
    "another method": "401 invalid_dpop_proof",
    "another path": "401 invalid_dpop_proof",
    "as a bearer token": 401,
    "in band": "accepted",
    "in band, another key": "invalid_token",
    "ticket": "hello",
}


def gateway(binary, folder, issuer, behind):
    folder = pathlib.Path(folder)
    (folder / "keys.json").write_text(json.dumps(issuer.jwks()))
    (folder / "vestibule.toml").write_text(f"""
[server]
listen = "127.0.0.1:0"

[auth]

[store]
backend = "memory"

[log]
level = "info"
format = "json"

[[issuers]]
name = "idp"
issuer = "{rig.ISSUER}"
audiences = ["{rig.AUDIENCE}"]
jwks_file = "{folder / 'keys.json'}"

[[routes]]
path = "/bound"
upstream = "ws://{behind}/"
accept = ["header", "message"]
mechanisms = ["dpop", "bearer"]
auth_deadline = "30s"

[[routes]]
path = "/ticketed"
upstream = "ws://{behind}/"
accept = ["query"]
mechanisms = ["ticket"]
""")

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        return line.get("listening") if line.get("role") == "public" else None

    return rig.Process([binary, "serve", "-c", folder / "vestibule.toml"], "stderr", find)


def outcomes(address, algorithm, issuer):
    """What the client says of each attempt. It tells which key its token is to be bound to."""
    line = ["node", str(rig.HERE / "clients" / "dpop_client.mjs"), address, algorithm]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, text=True, **pipes) as child:
        thumbprint = child.stdout.readline().strip()
        token = issuer.token(cnf={"jkt": thumbprint})
        said, errors = child.communicate(token + "\n", timeout=60)
    return json.loads(said) if said.strip() else {"it said": errors[-500:]}


def main():
    built = pathlib.Path(sys.argv[1])
    issuer = rig.Issuer()
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    faults = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.upstream(echo) as upstream,
        gateway(built / "vestibule", folder, issuer, upstream.address) as running,
    ):
        for algorithm in ("ES256", "Ed25519", "RS256"):
            said = outcomes(running.address, algorithm, issuer)
            for name in sorted(WANTED.keys() | said.keys()):
                good = said.get(name) == WANTED.get(name)
                faults += not good
                print(f"{algorithm:8} {name:22} {'ok' if good else f'FAILED: {said.get(name)}'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
