"""What the Python clients share: the order of the checks, and how a result is told."""

import asyncio
import base64
import json
import sys

GUARD = 60


class Spec:
    """What this run is about."""

    def __init__(self):
        for name, value in json.loads(sys.argv[1]).items():
            setattr(self, name, value)

    def fields(self, token):
        """The fields of the handshake that carry a token."""
        match self.carrier:
            case "header":
                return {"Authorization": f"Bearer {token}"}
            case "cookie":
                return {"Cookie": f"theme=dark; session={token}"}
            case _:
                return {}

    def subprotocols(self, token):
        """The subprotocols to offer."""
        if self.carrier == "subprotocol":
            encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
            return ["chat", f"base64url.bearer.authorization.k8s.io.{encoded}"]
        return ["chat"]

    def page(self):
        """Whether the client acts for a page: it sends an origin."""
        return self.origin if self.carrier == "cookie" else None


def authenticate(token, kind="authenticate"):
    return json.dumps(
        {"auth": {"type": kind, "mechanism": "bearer", "token": token}}, separators=(",", ":")
    )


async def run(checks):
    """Runs them one after the other. `None` is what the library cannot do."""
    for name, check in checks.items():
        result = "-"
        if check:
            try:
                async with asyncio.timeout(GUARD):
                    await check()
                result = "ok"
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is told
                result = f"{type(fault).__name__}: {fault}"[:300]
        print(json.dumps({"check": name, "result": result}), flush=True)


def same(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{str(seen)[:80]!r} instead of {str(wanted)[:80]!r}")
