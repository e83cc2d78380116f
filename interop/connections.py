"""What a TLS connection proves by itself, with clients that others wrote: certificates that `cryptography` made, by
`websockets` and curl; SCRAM-SHA-256-PLUS by `scramp` over pyOpenSSL, which tells what binds its connection."""

import asyncio
import datetime
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import scramp.core
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.uri import parse_uri

import exchanges
import rig

DEVICE = "spiffe://example.org/device/7"
PASSWORD = "correct horse battery"

# It does the arithmetic of every binding alike, and refuses this one for its name: Python's own `ssl` cannot give it.
scramp.core.CbName.SUPPORTED_TYPES |= {"tls-exporter"}
scramp.core.CbName.UNSUPPORTED_TYPES = frozenset()


class Authority:
    """Signs certificates, its own first."""

    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.own = self.sign(self.key, self.name, [(x509.BasicConstraints(True, None), True)])

    def sign(self, key, subject, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        hour = datetime.timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - hour)
            .not_valid_after(now + hour)
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, folder, name, alternative, purpose):
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [
            (x509.SubjectAlternativeName([alternative]), False),
            (x509.ExtendedKeyUsage([purpose]), False),
        ]
        certificate = self.sign(key, x509.Name([]), extensions)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        paths[1].chmod(0o600)
        return paths

    def write(self, path):
        path.write_bytes(self.own.public_bytes(serialization.Encoding.PEM))
        return path


def gateway(binary, folder, behind):
    own = Authority("Gateways of Example")
    cert, key = own.issue(
        folder, "cert", x509.DNSName("localhost"), x509.ExtendedKeyUsageOID.SERVER_AUTH
    )
    own.write(folder / "gateways.pem")
    (folder / "admin.token").write_text("vsa_" + "a" * 48)
    (folder / "admin.token").chmod(0o600)
    (folder / "vestibule.toml").write_text(f"""
[server]
listen = "127.0.0.1:0"
tls = {{ cert = "{cert}", key = "{key}", client_ca = "{folder / 'clients.pem'}" }}

[admin]
listen = "127.0.0.1:0"
token_file = "{folder / 'admin.token'}"

[auth]

[store]
backend = "memory"

[log]
level = "info"
format = "json"

[[certificates]]
name = "devices"
subject_from = "san-uri"
allowed = ["spiffe://example.org/device/*"]

[[routes]]
path = "/tls"
upstream = "ws://{behind}/"
accept = ["tls"]
mechanisms = ["external"]
reject = "http"

[[routes]]
path = "/band"
upstream = "ws://{behind}/"
accept = ["message"]
mechanisms = ["external", "scram-sha-256-plus"]
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


class Client:
    """Of one gateway, in one folder."""

    def __init__(self, folder, address):
        self.folder, self.port = folder, int(address.rpartition(":")[2])
        self.origin = f"https://localhost:{self.port}"

    def opening(self, path, identity=None, origin=True):
        context = ssl.create_default_context(cafile=self.folder / "gateways.pem")
        if identity:
            context.load_cert_chain(*identity)
        return websockets.connect(
            f"wss://localhost:{self.port}{path}",
            ssl=context,
            host="127.0.0.1",
            origin=self.origin if origin else None,
            proxy=None,
        )

    async def by_handshake(self, identity=None, origin=True):
        try:
            async with self.opening("/tls", identity, origin) as socket:
                return "let in" if await exchanges.echoes(socket) else "no echo"
        except websockets.InvalidStatus as refused:
            return json.loads(refused.response.body)["error"]
        except (ssl.SSLError, websockets.WebSocketException, OSError) as failed:
            # In TLS 1.3 a client hears of it when it reads, and asyncio hears of the end alone.
            words = f"{failed!r} {failed.__cause__!r}".lower()
            known = "alert", "ssl", "closed while reading http status line"
            return "no TLS" if any(word in words for word in known) else words

    async def in_band(self, identity=None):
        async with self.opening("/band", identity) as socket:
            said = await exchanges.say(socket, type="authenticate", mechanism="external")
            if said["type"] == "rejected":
                return said["error"]
            return said["subject"] if await exchanges.echoes(socket) else "no echo"

    async def by_curl(self, identity):
        line = [
            "curl", "--http1.1", "--silent", "--include", "--max-time", "3", "--noproxy", "*",
            "--cacert", self.folder / "gateways.pem", "--cert", identity[0], "--key", identity[1],
            "--resolve", f"localhost:{self.port}:127.0.0.1", "-H", f"Origin: {self.origin}",
            "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
            "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"https://localhost:{self.port}/tls",
        ]
        line = [str(word) for word in line]
        said = subprocess.run(line, capture_output=True).stdout.decode(errors="replace")
        return said.split("\r\n")[0]

    async def bound(self, password=PASSWORD, by_another=False):
        """SCRAM-SHA-256-PLUS over a connection that says what binds it."""
        with Bound(self) as socket, Bound(self) as another:
            exporter = (another if by_another else socket).exporter()
            client = scramp.ScramClient(
                ["SCRAM-SHA-256-PLUS"], "alice", password, channel_binding=("tls-exporter", exporter)
            )
            said = socket.say(
                type="authenticate", mechanism="scram-sha-256-plus", message=client.get_client_first()
            )
            client.set_server_first(said["message"])
            said = socket.say(type="respond", message=client.get_client_final())
            if said["type"] == "rejected":
                return said["error"]
            client.set_server_final(said["message"])  # raises where the server did not know it
            return f"{said['subject']} by {said['mechanism']}"


class Bound:
    """A WebSocket over TLS by OpenSSL."""

    def __init__(self, client):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.load_verify_locations(str(client.folder / "gateways.pem"))
        context.set_verify(SSL.VERIFY_PEER, lambda _tls, _cert, _error, _depth, is_good: is_good)
        self.tcp = socket.create_connection(("127.0.0.1", client.port))
        self.tls = SSL.Connection(context, self.tcp)
        self.tls.set_tlsext_host_name(b"localhost")
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.protocol = ClientProtocol(parse_uri(f"wss://localhost:{client.port}/band"))
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        self.next()
        if self.protocol.handshake_exc:
            raise self.protocol.handshake_exc

    def exporter(self):
        return self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")

    def flush(self):
        for data in self.protocol.data_to_send():
            if data:
                self.tls.sendall(data)

    def next(self):
        while not (events := self.protocol.events_received()):
            self.protocol.receive_data(self.tls.recv(65536))
        return events[0]

    def say(self, **members):
        self.protocol.send_text(json.dumps({"auth": members}, separators=(",", ":")).encode())
        self.flush()
        frame = self.next()
        if not isinstance(frame, Frame):
            raise RuntimeError(f"not a frame: {frame}")
        return json.loads(frame.data)["auth"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.close()


def main():
    built = pathlib.Path(sys.argv[1])
    echo = [sys.executable, rig.HERE / "upstreams" / "websockets_echo.py"]
    clients, other = Authority("Devices of Example"), Authority("Devices of Example")
    device = x509.UniformResourceIdentifier(DEVICE)
    with tempfile.TemporaryDirectory() as name, rig.upstream(echo) as upstream:
        folder = pathlib.Path(name)
        clients.write(folder / "clients.pem")
        for_clients = x509.ExtendedKeyUsageOID.CLIENT_AUTH
        good = clients.issue(folder, "device", device, for_clients)
        foreign = other.issue(folder, "foreign", device, for_clients)
        server = clients.issue(folder, "server", device, x509.ExtendedKeyUsageOID.SERVER_AUTH)
        nobody = clients.issue(
            folder, "nobody", x509.UniformResourceIdentifier("https://who.example/"), for_clients
        )
        with gateway(built / "vestibule", folder, upstream.address) as running:
            exchanges.add(running.address["admin"], "users", {"name": "alice", "password": PASSWORD})
            client = Client(folder, running.address["public"])
            runs = [
                ("certificate", "let in", client.by_handshake(good)),
                ("certificate, in band", DEVICE, client.in_band(good)),
                ("none", "credential_required", client.by_handshake()),
                ("none, in band", "credential_required", client.in_band()),
                ("no origin", "origin_not_allowed", client.by_handshake(good, origin=False)),
                ("another authority", "no TLS", client.by_handshake(foreign)),
                ("a server's", "no TLS", client.by_handshake(server)),
                ("names nobody", "invalid_credentials", client.by_handshake(nobody)),
                ("scramp, bound", "alice by scram-sha-256-plus", client.bound()),
                ("scramp, wrong", "invalid_credentials", client.bound("wrong password")),
                ("scramp, relayed", "invalid_credentials", client.bound(by_another=True)),
            ]
            if shutil.which("curl"):
                runs.append(
                    ("curl", "HTTP/1.1 101 Switching Protocols", client.by_curl(good))
                )
            faults = sum(exchanges.fault(*run) for run in runs)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
