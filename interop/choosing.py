"""Each section of docs/guide/choosing.md: its configuration is checked as it stands there and then served, and its client is run
against it."""

import concurrent.futures
import datetime
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import rig

ROOT = rig.HERE.parent
PAGE = ROOT / "docs" / "guide" / "choosing.md"
PACKAGE = ROOT / "clients" / "js"
PYTHON = sys.executable

ADMIN_TOKEN = "vsa_" + "a" * 48
PASSWORD = "correct horse battery staple"
OPAQUE = "2YotnFZFEjr1zCsicMWpAA"
# When a snippet is given up. A run that comes here has failed.
GUARD = 60

# Heading and language of each client, in the order of the page, and what it must print first. What is not here is a fault.
EXPECTED = [
    ("A page of your own site", "js", ["hello"]),
    ("An app with an identity provider", "js", ["hello"]),
    ("An app whose tokens must not be copied", "js", ["hello"]),
    ("An app whose tokens can be withdrawn", "python", ["hello"]),
    ("A page of another site", "js", ["hello"]),
    ("A browser as a device", "js", ["hello"]),
    ("A page whose people have passkeys", "js", ["hello"]),
    ("A page where people type passwords", "js", ["hello"]),
    ("A page with something to protect", "js", ["waiting", "authenticated", "refreshing", "refreshed"]),
    ("A mobile or desktop app", "python", ["accepted", "accepted", "hello"]),
    ("A server", "python", ["hello"]),
    ("A device with a key", "python", ["accepted", "hello"]),
    ("A machine with a certificate", "python", ["hello"]),
    ("A person at a terminal", "sh", ["hello", "hello"]),
    ("A program with a SASL library", "python", ["hello"]),
    ("An MQTT client", "python", ["connected"]),
    ("A client that can only set a header", "sh", ["HTTP/1.1 101 Switching Protocols"]),
    ("A client that takes only a URL", "python", ["hello"]),
    ("A library that takes only subprotocols", "js", ["hello"]),
    ("A server that keeps no state", "js", ["hello"]),
]


def sections():
    """Heading, configuration, language and client of each section."""
    heading, config = "", None
    for title, language, text in re.findall(
        r"^#+ ([^\n]*)$|^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    ):
        heading = title or heading
        if language == "toml":
            config = text
        elif language:
            yield heading, config, language, text


def served(config, folder, issuer, upstreams):
    """The configuration with what only a run knows."""
    keys = folder / "keys.json"
    keys.write_text(json.dumps(issuer.jwks()))
    for placeholder, address in upstreams.items():
        config = config.replace(f"ws://{placeholder}", f"ws://{address}")
    if "introspection_url" in config:
        config = config.replace(f"{rig.ISSUER}/introspect", f"http://{upstreams['introspection']}/")
    else:
        config = config.replace(
            f'issuer = "{rig.ISSUER}"\n', f'issuer = "{rig.ISSUER}"\njwks_file = "{keys}"\n'
        )
    if "[server]" not in config:
        config += '\n[server]\nlisten = "127.0.0.1:0"\nworkers = 1\n'
    config = config.replace('"0.0.0.0:443"', '"127.0.0.1:0"')
    return f"""{config}

[admin]
listen = "127.0.0.1:0"
token_file = "admin.token"

[log]
level = "info"
format = "json"
"""


def gateway(binary, folder, config):
    (folder / "admin.token").write_text(ADMIN_TOKEN)
    (folder / "admin.token").chmod(0o600)
    (folder / "served.toml").write_text(config)
    known = {}

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        if "listening" in line:
            known[line["role"]] = line["listening"]
        return known if {"public", "admin"} <= known.keys() else None

    return rig.Process([binary, "serve", "-c", folder / "served.toml"], "stderr", find)


class Introspection(http.server.BaseHTTPRequestHandler):
    """Says of one token that it is good (RFC 7662)."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        answer = {"active": False}
        if form["token"] == [OPAQUE]:
            answer = {"active": True, "token_type": "Bearer", "iss": rig.ISSUER, "sub": "alice"}
            answer |= {"aud": rig.AUDIENCE, "exp": int(time.time()) + 600, "client_id": "app"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def admin(address, what, members):
    request = urllib.request.Request(
        f"http://{address}/api/v1/{what}",
        json.dumps(members).encode(),
        {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def enrolled(address, folder):
    """What the clients may have: a user with a password and a key, and a machine with an API key."""
    admin(address, "users", {"name": "alice", "password": PASSWORD})
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    admin(address, "public-keys", {"user": "alice", "key": key.with_suffix(".pub").read_text()})
    machine = admin(address, "keys", {"machine": "robot", "label": "robot", "scopes": ["feed"]})
    return {"PASSWORD": PASSWORD, "KEY_FILE": str(key), "API_KEY": machine["key"]}


def certified(folder):
    """An authority, and what it vouches for: this machine, and a device."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    def made(name, by, *names):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer, signer = by or (subject, key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return (subject, key), builder.sign(signer, hashes.SHA256())

    def write(stem, key_stem, key, certificate):
        (folder / stem).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / key_stem).write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        (folder / key_stem).chmod(0o600)

    authority, root = made("Devices of Example", None)
    write("clients-ca.pem", "clients-ca.key", authority[1], root)
    (_, key), certificate = made("localhost", authority, x509.DNSName("localhost"))
    write("cert.pem", "key.pem", key, certificate)
    identity = x509.UniformResourceIdentifier("spiffe://example.org/device/7")
    (_, key), certificate = made("Device 7", authority, identity)
    write("device.pem", "device.key", key, certificate)
    return {
        "CERT_FILE": str(folder / "device.pem"),
        "CERT_KEY_FILE": str(folder / "device.key"),
        "SSL_CERT_FILE": str(folder / "clients-ca.pem"),
    }


def logged_in(address):
    """An access token of Alice's login at the gateway itself."""
    request = urllib.request.Request(
        f"http://{address}/auth/login",
        json.dumps({"username": "alice", "password": PASSWORD}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def line(language, text, folder, name):
    """The command that runs a client."""
    if language == "js":
        # Inside of the package, so that it finds itself by its name.
        place = PACKAGE / "build" / "choosing"
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{name}.mjs"
        file.write_text(text)
        return ["node", "--import", str(rig.HERE / "clients" / "given.mjs"), str(file)]
    if language == "python":
        return [PYTHON, "-u", "-c", text]
    return ["sh", "-c", text]


def localised(text, address, config):
    host, port = address.split(":")
    if "tls = " in config:
        return text.replace("://ws.example.com", f"://localhost:{port}")
    return (
        text.replace("wss://ws.example.com", f"ws://{address}")
        .replace("https://ws.example.com", f"http://{address}")
        .replace("client.tls_set()\n", "")
        .replace('"ws.example.com", 443', f'"{host}", {port}')
    )


def said(line, environment, wanted):
    """Runs a client until it has printed what is wanted. What is wrong; `None` if nothing is."""
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, **environment},
        )
        guard = threading.Timer(GUARD, child.kill)
        guard.start()
        try:
            lines = []
            for expected in wanted:
                lines.append(child.stdout.readline().rstrip("\r\n"))
                if lines[-1] != expected:
                    child.kill()
                    child.wait()
                    errors.seek(0)
                    return f"{lines!r} instead of {wanted!r}: {errors.read()[-500:]}"
            return None
        finally:
            guard.cancel()
            child.kill()
            child.wait()
            child.stdout.close()


def fault(binary, issuer, upstreams, name, section, wanted):
    """Checks and runs one section. What is wrong; `None` if nothing is."""
    _, config, language, text = section
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vestibule.toml").write_text(config)
        (folder / "introspection.secret").write_text("a secret of the gateway")
        (folder / "introspection.secret").chmod(0o600)
        certificates = certified(folder) if "tls = " in config else {}
        checked = subprocess.run(
            [binary, "check", "-c", folder / "vestibule.toml"], capture_output=True, text=True
        )
        if checked.returncode:
            return f"check: {checked.stdout}{checked.stderr}"
        with gateway(binary, folder, served(config, folder, issuer, upstreams)) as running:
            public, control = running.address["public"], running.address["admin"]
            secrets = enrolled(control, folder) if "[auth]" in config else {}
            environment = {
                "PATH": f"{binary.parent}:{os.environ['PATH']}",
                "ORIGIN": rig.PAGE,
                "ADMIN": f"http://{control}",
                "ADMIN_TOKEN": ADMIN_TOKEN,
                "TOKEN": logged_in(public) if secrets and "[[issuers]]" not in config else issuer.token(),
                "ISSUER_KEY": issuer.pem(),
                "OPAQUE_TOKEN": OPAQUE,
                **certificates,
                **secrets,
            }
            return said(line(language, localised(text, public, config), folder, name), environment, wanted)


def main():
    binary = pathlib.Path(sys.argv[1]) / "vestibule"
    found = list(sections())
    listed = [(heading, language) for heading, language, _ in EXPECTED]
    if [(heading, language) for heading, _, language, _ in found] != listed:
        print(f"FAILED the clients of {PAGE.name} are not those that are tested: {listed}")
        return 1
    if not shutil.which("ssh-keygen"):
        print(f"–      the clients of {PAGE.name}: OpenSSH is not on this machine")
        return "CI" in os.environ
    issuer = rig.Issuer()
    with (
        rig.upstream([PYTHON, rig.HERE / "upstreams" / "websockets_echo.py"]) as echo,
        rig.upstream([PYTHON, rig.HERE / "upstreams" / "mqtt_hello.py"]) as broker,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection)
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        upstreams = {
            "127.0.0.1:9000": echo.address,
            "127.0.0.1:9001": broker.address,
            "introspection": f"127.0.0.1:{endpoint.server_port}",
        }
        runs = [
            pool.submit(fault, binary, issuer, upstreams, f"client{index}", section, wanted)
            for index, (section, (_, _, wanted)) in enumerate(zip(found, EXPECTED))
        ]
        faults = 0
        for (heading, _, _), run in zip(EXPECTED, runs):
            wrong = run.result()
            faults += bool(wrong)
            print(f"FAILED {heading}: {wrong}" if wrong else f"ok     {heading}", flush=True)
    print(f"\n{len(EXPECTED) - faults} clients passed, {faults} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
