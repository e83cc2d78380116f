"""Runs the suite straight, by header and by first message, and compares the verdicts."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import rig  # noqa: E402

# From good to bad; the suite itself counts the first three as passed. NON-STRICT it calls a
# connection that ends at a broken frame while the echo of the message before it is still on its
# way. Nothing in the middle can wait for that, so it is no worse than OK here; it is told, though.
RANKS = {"OK": 0, "NON-STRICT": 0, "INFORMATIONAL": 0, "UNIMPLEMENTED": 1, "WRONG CODE": 2,
         "FAILED BY CLIENT": 2, "UNCLEAN": 3, "FAILED": 4}
# Not by first message: there the gateway answers before the upstream, and agrees to no extension.
NOT_BY_MESSAGE = ["12.*", "13.*"]


def suite(wstest, name, address, cases, folder):
    """Runs the suite against an address; from case to its two verdicts."""
    reports = folder / name
    spec = folder / f"{name}.json"
    spec.write_text(json.dumps({
        "outdir": str(reports),
        "servers": [{"agent": name, "url": f"ws://{address}/band" if name == "message"
                     else f"ws://{address}/head" if name == "header" else f"ws://{address}/"}],
        "cases": cases,
        "exclude-cases": NOT_BY_MESSAGE if name == "message" else [],
        "exclude-agent-cases": {},
    }))
    print(f"    {name}: {address}", flush=True)
    log = folder / f"{name}.log"
    with open(log, "w") as out:
        subprocess.run(
            [str(wstest), "--mode", "fuzzingclient", "--spec", str(spec)],
            stdout=out, stderr=subprocess.STDOUT, check=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"}, cwd=folder,
        )
    index = json.loads((reports / "index.json").read_text())
    verdicts = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in index.get(name, {}).items()
    }
    # The suite calls it a success, too, when a connection was never opened.
    ran = log.read_text().count("Running test case")
    if ran != len(verdicts):
        sys.exit(f"autobahn: {name}: {ran} of {len(verdicts)} cases ran; see {log}")
    return verdicts


def worse(seen, wanted):
    return any(RANKS[a] > RANKS[b] for a, b in zip(seen, wanted))


def main():
    target, cases = pathlib.Path(sys.argv[1]), sys.argv[2:] or ["*"]
    folder = HERE.parent / "reports"
    folder.mkdir(exist_ok=True)
    wstest = target / "interop" / "autobahn" / "bin" / "wstest"
    issuer = rig.Issuer()
    with tempfile.TemporaryDirectory() as secret:
        token = pathlib.Path(secret) / "token"
        token.write_text(issuer.token(6 * 3600))
        echo = [sys.executable, HERE.parent / "upstreams" / "websockets_echo.py"]
        binary = target / "debug" / "vestibule"
        shim = [sys.executable, HERE / "shim.py"]
        with rig.upstream(echo) as upstream:
            straight = suite(wstest, "straight", upstream.address, cases, folder)
            with rig.gateway(binary, secret, issuer.jwks(), upstream.address) as gateway:
                through = {}
                for carrier in ("header", "message"):
                    with rig.upstream([*shim, gateway.address, carrier, token]) as shimmed:
                        through[carrier] = suite(wstest, carrier, shimmed.address, cases, folder)
    return report(straight, through)


def report(straight, through):
    passed, faults, others = 0, [], []
    for carrier, verdicts in through.items():
        for case, wanted in straight.items():
            if case not in verdicts and carrier == "message" and case[:3] in ("12.", "13."):
                continue
            seen = verdicts.get(case, ("FAILED", "FAILED"))
            if worse(seen, wanted):
                faults.append(f"{carrier}, case {case}: {seen}, and {wanted} without the gateway")
                continue
            passed += 1
            if seen != wanted:
                others.append(f"{carrier} {case}: {seen[0]} for {wanted[0]}")
    for fault in faults:
        print(f"FAILED {fault}")
    for other in others:
        print(f"another verdict, and no worse: {other}")
    print("the suite's own reports are in interop/reports")
    print(f"\n{passed} passed, {len(faults)} failed")
    return 1 if faults or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
