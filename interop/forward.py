"""nginx, Caddy and HAProxy before an HTTP server, by the configurations of docs/operate/forward-auth.md: they
ask the gateway whether a request may pass."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import rig

PAGE = rig.HERE.parent / "docs" / "operate" / "forward-auth.md"
# When a proxy is given up that does not listen. A run that comes here has failed.
GUARD = 20


def snippet(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} snippets of {language} in {PAGE.name}")
    return found[0]


class Upstream(http.server.ThreadingHTTPServer):
    """Answers with the fields that it was sent, in JSON."""

    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps([[name.lower(), value] for name, value in self.headers.items()])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    def handle_error(self, *_):
        # A proxy may drop a connection that it needs no longer.
        pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def program(name, target):
    """The proxy: the one on the machine, or one from its package, which is unpacked and not
    installed. `None` where neither is to be had."""
    found = shutil.which(name)
    folder = target / "interop" / "debian"
    unpacked = [folder / "usr" / place / name for place in ("bin", "sbin")]
    if not found and not any(path.exists() for path in unpacked):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            silent = {"cwd": folder, "check": True, "capture_output": True}
            subprocess.run(["apt-get", "download", "-qq", name], **silent)
            for package in folder.glob(f"{name}_*.deb"):
                subprocess.run(["dpkg", "-x", package.name, "."], **silent)
    found = found or next((str(path) for path in unpacked if path.exists()), None)
    if not found or subprocess.run([found, *VERSION[name]], capture_output=True).returncode:
        return None
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, fields):
    """Status, and what the upstream was sent; `None` where it was not asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for name, value in fields:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body) if answer.status == 200 else None


@contextlib.contextmanager
def gateway(binary, folder, jwks, trusted):
    """The gateway; its address, and a way to run its commands."""
    (folder / "keys.json").write_text(json.dumps(jwks))
    route = f"""
upstream = "ws://127.0.0.1:9"
accept = ["header", "cookie"]
cookie = "session"
origins = ["{rig.PAGE}"]
"""
    config = folder / "vestibule.toml"
    config.write_text(f"""
[server]
listen = "127.0.0.1:0"
workers = 1
trusted_proxies = {json.dumps(trusted)}

[log]
format = "json"

[admin]
listen = "127.0.0.1:0"
token_file = "{folder / 'admin.token'}"

[auth]

[store]
path = "{folder / 'store.redb'}"

[[issuers]]
name = "idp"
issuer = "{rig.ISSUER}"
audiences = ["{rig.AUDIENCE}"]
jwks_file = "{folder / 'keys.json'}"
clock_skew = "0s"

[[routes]]
path = "/api"
{route}

[[routes]]
path = "/api/admin"
scopes = ["admin"]
{route}

[[routes]]
path = "/open"
{route}
""")
    found = {}

    def find(text):
        try:
            line = json.loads(text)
        except ValueError:
            return None
        found.setdefault(line.get("role"), line.get("listening"))
        return found.get("public") and found.get("admin") and found["public"]

    with rig.Process([binary, "serve", "-c", config], "stderr", find) as process:
        def command(*words):
            line = [binary, *words, "-c", config, "--admin", found["admin"]]
            subprocess.run([str(word) for word in line], check=True, capture_output=True)

        yield process.address, command


@contextlib.contextmanager
def listening(line, port, folder, **options):
    """A proxy, from when it takes connections until its end."""
    with open(folder / "proxy.log", "w+") as log:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        guard = threading.Timer(GUARD, child.kill)
        guard.start()
        try:
            while True:
                if child.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"{line[0]} ended: {log.read()[-2000:]}")
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
            yield port
        finally:
            guard.cancel()
            child.terminate()
            child.wait()


def addressed(text, port, asked, upstream):
    """The configuration of the page with the addresses of this run."""
    return replaced(text, {
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "127.0.0.1:8080": asked,
        "127.0.0.1:9000": f"127.0.0.1:{upstream}",
    })


def replaced(text, words):
    for written, meant in words.items():
        if written not in text:
            raise RuntimeError(f"no {written} in the configuration")
        text = text.replace(written, meant)
    return text


def nginx(found, folder, asked, upstream):
    port = free_port()
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{temporary}"
        f"{addressed(snippet('nginx'), port, asked, upstream)}}}\n"
    )
    line = [found, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return listening(line, port, folder)


def caddy(found, folder, asked, upstream):
    port = free_port()
    text = addressed(snippet("caddy"), port, asked, upstream)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{text}")
    line = [found, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return listening(line, port, folder, env=os.environ | home)


def haproxy(found, folder, asked, upstream):
    port = free_port()
    script = folder / "vestibule.lua"
    script.write_text(replaced(snippet("lua"), {"127.0.0.1:8080": asked}))
    (folder / "haproxy.cfg").write_text(replaced(snippet("haproxy"), {
        "/etc/haproxy/vestibule.lua": str(script),
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "127.0.0.1:9000": f"127.0.0.1:{upstream}",
    }))
    return listening([found, "-db", "-f", str(folder / "haproxy.cfg")], port, folder)


PROXIES = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}
VERSION = {"nginx": ["-v"], "caddy": ["version"], "haproxy": ["-v"]}
# What they make of an answer that is neither 2xx nor 401 nor 403.
REFUSED = {"nginx": [500], "caddy": [400, 404], "haproxy": [403, 404]}


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def identity(said):
    return {name: value for name, value in said if name.startswith("x-vestibule")}


def cases(port, issuer, command, refused):
    """Name and fault of each case. `refused` is what the proxy makes of answers that are neither
    401 nor 403."""
    good = bearer(issuer.token())
    origin = [("Origin", rig.PAGE)]
    cookie = [("Cookie", f"a=1; session={issuer.token()}")]

    def status(name, wanted, path, fields):
        found, said = get(port, path, fields)
        fault = None if found in wanted else f"{found} instead of {wanted}"
        return name, fault, said

    for name, wanted, path, fields in [
        ("no token", [401], "/api", []),
        ("a forged token", [401], "/api", bearer(issuer.token(forged=True))),
        ("an expired token", [401], "/api", bearer(issuer.token(-90))),
        ("no JWT", [401], "/api", bearer("x.y.z")),
        ("a token without the scope", [403], "/api/admin", good),
        # nginx refuses that by itself.
        ("two tokens", [400, 401, 403], "/api", good + good),
        ("a cookie and an allowed origin", [200], "/api", cookie + origin),
        ("a cookie without origin", [403], "/api", cookie),
        ("a cookie of a foreign page", [403], "/api", cookie + [("Origin", "https://evil.example")]),
        ("a good token of a foreign page", [403], "/api", good + [("Origin", "https://evil.example")]),
        ("a path for which there is no route", refused, "/apiary", good),
        ("a path with two readings", refused, "/open/../api/admin", good),
        ("the same, encoded", refused, "/open/%2e%2e/api/admin", good),
        ("a doubled slash", [403, *refused], "/api//admin", good),
        ("another path in X-Forwarded-Uri", [403], "/api/admin",
         good + [("X-Forwarded-Uri", "/open")]),
        ("another path in X-Original-Uri", [403], "/api/admin", good + [("X-Original-Uri", "/open")]),
        ("the same in a query", [403], "/api/admin?path=/open", good),
        ("a handshake", [200], "/api", good + [
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ]),
        ("another host", [200], "/api", good + [("X-Forwarded-Host", "evil.example")]),
        ("a foreign page that names its host", [403], "/api",
         cookie + [("Origin", "https://evil.example"), ("X-Forwarded-Host", "evil.example"),
                   ("X-Forwarded-Proto", "https")]),
    ]:
        yield status(name, wanted, path, fields)[:2]
    # The identity, and nothing that the client says in its place.
    forged = [
        (name, "mallory") for name in
        ("X-Vestibule-Subject", "x-vestibule-SCOPES", "X-Vestibule-Groups", "X_Vestibule_Subject",
         "X-Vestibule-Assertion", "X-Vestibule-Anything")
    ]
    name, fault, said = status("identity fields of a client", [200], "/api", good + forged)
    if said:
        found = identity(said)
        if found.get("x-vestibule-subject") != "alice" or "x-vestibule-assertion" not in found:
            fault = f"the upstream is not told who it is: {sorted(found)}"
        # nginx can remove only what it is told by name.
        unknown = ("x-vestibule-groups", "x-vestibule-anything") if port in NAMED else ()
        planted = [k for k, v in said if v == "mallory" and k not in unknown]
        if planted:
            fault = f"the client's word reached the upstream: {planted}"
        if any(k == "authorization" for k, _ in said):
            fault = "the token reached the upstream"
    yield name, fault
    name, fault, said = status("a request that is refused does not reach the upstream", [401], "/api", [])
    yield name, fault or ("it did" if said else None)
    yield status("the endpoint itself", [404], "/_vestibule", good)[:2]
    revoked = issuer.token()
    yield status("a token that will be revoked", [200], "/api", bearer(revoked))[:2]
    command("revoke", "--subject", "alice")
    yield status("a token that is revoked", [401], "/api", bearer(revoked))[:2]


# Ports of proxies that remove fields by name only.
NAMED = set()


def main():
    target, words = pathlib.Path(sys.argv[1]), sys.argv[2:]
    built = target / "vestibule"
    passed, failed = 0, 0
    for name, proxy in PROXIES.items():
        if words and name not in words:
            continue
        found = program(name, target.parent)
        if not found:
            missing = f"{name} is not on this machine (Debian: apt-get install {name})"
            # What is to be merged must have passed.
            failed += "CI" in os.environ
            print(f"{'FAILED' if 'CI' in os.environ else '–     '} {missing}")
            continue
        issuer, upstream = rig.Issuer(), Upstream()
        with (
            tempfile.TemporaryDirectory() as folder,
            tempfile.TemporaryDirectory() as other,
            gateway(built, pathlib.Path(folder), issuer.jwks(), ["127.0.0.1"]) as (asked, command),
            proxy(found, pathlib.Path(folder), asked, upstream.server_port) as port,
            gateway(built, pathlib.Path(other), issuer.jwks(), ["192.0.2.1"]) as (stranger, _),
            proxy(found, pathlib.Path(other), stranger, upstream.server_port) as distrusted,
        ):
            if name == "nginx":
                NAMED.add(port)
            results = list(cases(port, issuer, command, REFUSED[name]))
            status, _ = get(distrusted, "/api", bearer(issuer.token()))
            fault = None if status == 403 else f"{status} instead of 403"
            results.append(("a proxy that is not trusted", fault))
        for case, fault in results:
            passed, failed = passed + (not fault), failed + bool(fault)
            print(f"FAILED {name}, {case}: {fault}" if fault else f"ok     {name}, {case}")
        upstream.shutdown()
        upstream.server_close()
    print(f"\n{passed} cases of forward-auth passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
