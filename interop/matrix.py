"""Every client × carrier × upstream. Prints a table, and how many checks passed and failed."""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import rig

HERE = rig.HERE
PYTHON = sys.executable

CARRIERS = ["header", "cookie", "subprotocol", "message"]
CHECKS = ["identity", "text", "binary", "fragments", "large", "ping", "close", "closed", "expiry",
          "refresh", "refused", "compressed"]
UPSTREAMS = {
    "websockets": [PYTHON, HERE / "upstreams" / "websockets_echo.py"],
    "ws": ["node", HERE / "upstreams" / "ws_echo.mjs"],
}
# How long a token lasts that is waited for: long enough to connect on a busy machine.
SHORT = 6
# When a client is given up. A run that comes here has failed.
GUARD = 90


def clients(built):
    return {
        "websockets": [PYTHON, HERE / "clients" / "websockets_client.py"],
        "aiohttp": [PYTHON, HERE / "clients" / "aiohttp_client.py"],
        "ws": ["node", HERE / "clients" / "ws_client.mjs"],
        "tungstenite": [built / "examples" / "interop_client"],
    }


def run(line, carrier, address, issuer):
    """What one client found with one carrier: a dictionary from check to `ok`, `-` or a fault."""
    path = "/band" if carrier == "message" else "/head"
    spec = {
        "carrier": carrier,
        "url": f"ws://{address}{path}",
        "band": f"ws://{address}/band",
        "origin": rig.PAGE,
        "token": issuer.token(),
        "another": issuer.token(7200),
        "short": issuer.token(SHORT),
        "forged": issuer.token(forged=True),
    }
    try:
        done = subprocess.run(
            [str(word) for word in [*line, json.dumps(spec)]],
            capture_output=True, text=True, timeout=GUARD, cwd=HERE,
        )
    except subprocess.TimeoutExpired:
        return {check: f"no end within {GUARD} s" for check in CHECKS}
    found = {}
    for text in done.stdout.splitlines():
        said = json.loads(text)
        found[said["check"]] = said["result"]
    trouble = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return {check: found.get(check, f"not reached: {trouble[0]}") for check in CHECKS}


def main():
    built, words = pathlib.Path(sys.argv[1]), sys.argv[2:]
    issuer = rig.Issuer()
    passed, faults = 0, []
    widths = [max(8, len(check)) for check in CHECKS]
    head = "  ".join(check.ljust(width) for check, width in zip(CHECKS, widths))
    print(f"\n{'client':12} {'carrier':12} {'upstream':11} {head}", flush=True)
    for behind, line in UPSTREAMS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            rig.upstream(line) as upstream,
            rig.gateway(built / "vestibule", folder, issuer.jwks(), upstream.address) as gateway,
            concurrent.futures.ThreadPoolExecutor(4) as pool,
        ):
            runs = {}
            for client, command in clients(built).items():
                for carrier in CARRIERS:
                    name = (client, carrier, behind)
                    if all(any(word in part for part in name) for word in words):
                        runs[name] = pool.submit(run, command, carrier, gateway.address, issuer)
            for (client, carrier, _), future in runs.items():
                results = future.result()
                cells = []
                for check, width in zip(CHECKS, widths):
                    result = results[check]
                    if result == "ok":
                        passed += 1
                    elif result != "-":
                        faults.append(f"{client}, {carrier}, {behind}, {check}: {result}")
                    word = {"ok": "ok", "-": "–"}.get(result, "FAILED")
                    cells.append(word.ljust(width))
                print(f"{client:12} {carrier:12} {behind:11} {'  '.join(cells)}", flush=True)
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"\n{passed} passed, {len(faults)} failed")
    return 1 if faults or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
