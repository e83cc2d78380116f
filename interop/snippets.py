"""The Python and curl snippets of docs/guide/clients.md, as they stand, against the gateway."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import rig

PAGE = rig.HERE.parent / "docs" / "guide" / "clients.md"
PYTHON = sys.executable

# What stands in the page for what only a run knows.
ADDRESS = re.compile(r"(?:ws|http)://127\.0\.0\.1:8080/chat")
TOKEN = "eyJ..."
# How long a token lasts that is waited for: long enough to connect on a busy machine.
SHORT = 6
# When a snippet is given up. A run that comes here has failed.
GUARD = 60

# Heading and language of each snippet, in the order of the page; with which token it is run, and
# the lines that it must print first. What is not here is a fault.
EXPECTED = [
    ("Python: `websockets`", "python", {"good": ["hello"], "forged": [r"401 .*invalid_token.*"]}),
    ("Python: `websockets`", "python", {"short": ["hello", "accepted"]}),
    ("Python: `aiohttp`", "python", {"short": ["hello", "4401"], "forged": ["401"]}),
    ("curl", "sh", {"good": [r"HTTP/1\.1 101 .*"], "forged": [r"HTTP/1\.1 401 .*"]}),
    ("websocat", "sh", {}),
    ("vestibule", "sh", {}),
    # A key and a password: run by the black-box tests.
    ("vestibule", "sh", {}),
]


def snippets():
    """Heading, language and text of each Python or shell snippet."""
    heading = ""
    for title, language, text in re.findall(
        r"^#+ ([^\n]*)$|^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    ):
        heading = title or heading
        if language in ("python", "sh"):
            yield heading, language, text


def fault(language, text, wanted, address, token):
    """Runs a snippet until it has printed what is wanted. What is wrong; `None` if nothing is."""
    scheme = "http" if language == "sh" else "ws"
    text = ADDRESS.sub(f"{scheme}://{address}/band", text).replace(TOKEN, token)
    line = [PYTHON, "-u", "-c", text] if language == "python" else ["sh", "-c", text]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "TOKEN": token},
        )
        guard = threading.Timer(GUARD, child.kill)
        guard.start()
        try:
            said = []
            for pattern in wanted:
                said.append(child.stdout.readline().rstrip("\r\n"))
                if not re.fullmatch(pattern, said[-1]):
                    child.wait()
                    errors.seek(0)
                    return f"{said!r} instead of {wanted!r}: {errors.read()[-300:]}"
            return None
        finally:
            guard.cancel()
            child.kill()
            child.wait()
            child.stdout.close()


def main():
    built = pathlib.Path(sys.argv[1])
    found = list(snippets())
    listed = [(heading, language) for heading, language, _ in EXPECTED]
    if [(heading, language) for heading, language, _ in found] != listed:
        print(f"FAILED the snippets of {PAGE.name} are not those that are tested: {listed}")
        return 1
    issuer = rig.Issuer()
    tokens = {
        "good": lambda: issuer.token(),
        "short": lambda: issuer.token(SHORT),
        "forged": lambda: issuer.token(forged=True),
    }
    passed, failed = 0, 0
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.upstream([PYTHON, rig.HERE / "upstreams" / "websockets_echo.py"]) as upstream,
        rig.gateway(built / "vestibule", folder, issuer.jwks(), upstream.address) as gateway,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        started = []
        for (heading, language, text), (_, _, runs) in zip(found, EXPECTED):
            if heading == "curl" and not shutil.which("curl"):
                print(f"–      {heading}: curl is not on this machine")
                continue
            for kind, wanted in runs.items():
                end = pool.submit(fault, language, text, wanted, gateway.address, tokens[kind]())
                started.append((f"{heading}, {kind} token", end))
        for name, end in started:
            wrong = end.result()
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print(f"FAILED {name}: {wrong}" if wrong else f"ok     {name}")
    print(f"\n{passed} snippets passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
