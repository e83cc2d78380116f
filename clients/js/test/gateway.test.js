// The client against the real gateway: set VESTIBULE_BIN to its binary.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { bearer, cookie, perMessage, subprotocol, VestibuleSocket } from "../dist/index.js";
import { once, record } from "./fakes.js";
import { Gateway, mint, PAGE } from "./gateway.js";

const skip = process.env.VESTIBULE_BIN ? false : "VESTIBULE_BIN is not set to the gateway's binary";

/** A WebSocket as a page of that origin makes it. */
const pageOf = (origin, headers = {}) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { origin, headers });
    }
  };

describe("with the gateway", { skip }, () => {
  const gateway = new Gateway();
  before(() => gateway.start());
  after(() => gateway.end());

  function connect(path, auth, { protocols = [], webSocket = WebSocket, ...options } = {}) {
    const reasons = [];
    const provider = (request) => {
      reasons.push(request.reason);
      return auth(request);
    };
    const { carrier, ...rest } = options;
    const socket = new VestibuleSocket(gateway.url(path), protocols, {
      auth: bearer(provider, carrier ? { carrier } : {}),
      webSocket,
      reconnect: { base: 50, max: 500 },
      ...rest,
    });
    return { socket, reasons, lines: record(socket), over: once(socket, "close") };
  }

  async function echoed(socket, text) {
    const back = once(socket, "message", ({ data }) => data === text);
    socket.send(text);
    await back;
  }

  test("connects by message, and talks", async () => {
    const { socket, lines, over } = connect("/chat", () => mint(), { protocols: ["chat.v1"] });
    socket.send("queued before it is open");
    await once(socket, "message");
    assert.equal(socket.protocol, "chat.v1");
    await echoed(socket, "and after");
    socket.binaryType = "arraybuffer";
    const bytes = once(socket, "message");
    socket.send(new Uint8Array([1, 2, 3]));
    assert.deepEqual([...new Uint8Array((await bytes).data)], [1, 2, 3]);
    socket.close(1000, "done");
    await over;
    assert.deepEqual(lines.slice(0, 4), ["auth waiting connect", "auth authenticated", "open", "message queued before it is open"]);
    assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 1000 done"]);
  });

  test("says who was accepted, and for how long", async () => {
    const { socket } = connect("/chat", () => mint({ seconds: 300 }));
    const { detail } = await once(socket, "auth", (event) => event.detail.state === "authenticated");
    assert.equal(detail.subject, "alice");
    assert.ok(detail.expiresIn > 290 && detail.expiresIn <= 300);
    socket.close();
  });

  test("refreshes on the gateway's warning, over the same connection", async () => {
    const before = gateway.connections;
    const { socket, reasons, lines } = connect("/chat", ({ reason }) => mint({ seconds: reason === "refresh" ? 3600 : 4 }));
    const refreshed = await once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    assert.ok(refreshed.detail.expiresIn > 599);
    await echoed(socket, "still here");
    assert.deepEqual(reasons, ["connect", "refresh"]);
    assert.equal(gateway.connections, before + 1);
    assert.deepEqual(lines.filter((line) => /open|close|reconnecting/.test(line)), ["open"]);
    socket.close();
  });

  test("an identity that changes at a refresh stops", async () => {
    const { over, lines } = connect("/chat", ({ reason }) => mint({ seconds: 4, subject: reason === "refresh" ? "bob" : "alice" }));
    assert.equal((await over).code, 4403);
    assert.deepEqual(lines.slice(-3), ["auth stopped refused", "error refused", "close 4403 identity_changed"]);
  });

  test("the end of a lease that cannot be refreshed gets a new connection with a new token", async () => {
    const { socket, reasons } = connect("/handshake", ({ reason }) => mint({ seconds: reason === "connect" ? 3 : 600 }), {
      carrier: subprotocol,
      protocols: ["chat.v1"],
      reconnect: { base: 50, stable: 0 },
    });
    await once(socket, "open");
    const { detail } = await once(socket, "reconnecting");
    assert.equal(`${detail.code} ${detail.error} ${detail.delay}`, "4401 token_expired 0");
    await once(socket, "open");
    await echoed(socket, "again");
    assert.deepEqual(reasons, ["connect", "refused"]);
    socket.close();
  });

  test("a forged token is replaced in band", async () => {
    const { socket, reasons, lines } = connect("/chat", ({ reason }) => mint({ secret: reason === "refused" ? undefined : "x".repeat(40) }));
    await once(socket, "open");
    assert.deepEqual(reasons, ["connect", "refused"]);
    assert.deepEqual(lines, ["auth waiting connect", "auth rejected", "auth waiting refused", "auth authenticated", "open"]);
    socket.close();
  });

  test("a forged token in the handshake of a page is replaced before open", async () => {
    const { socket, lines } = connect("/handshake", ({ reason }) => mint({ secret: reason === "refused" ? undefined : "x".repeat(40) }), {
      carrier: subprotocol,
      protocols: ["chat.v1"],
      webSocket: pageOf(PAGE),
      // Longer than any machine takes to hear the Close behind the handshake.
      settle: 2_000,
    });
    socket.send("once");
    await once(socket, "message");
    assert.equal(gateway.arrived.filter((text) => text === "once").length, 1);
    assert.deepEqual(lines, [
      "auth waiting connect",
      "reconnecting connection_lost 0",
      "auth waiting refused",
      "auth authenticated",
      "open",
      "message once",
    ]);
    socket.close();
  });

  test("a token without the scope stops", async () => {
    const { over, reasons, lines } = connect("/chat", () => mint({ scope: "weather" }));
    assert.equal((await over).reason, "insufficient_scope");
    assert.deepEqual(lines.slice(-3), ["auth stopped refused", "error refused", "close 4403 insufficient_scope"]);
    assert.deepEqual(reasons, ["connect"]);
  });

  test("a cookie opens it for its page", async () => {
    const socket = new VestibuleSocket(gateway.url("/handshake"), ["chat.v1"], {
      auth: cookie(),
      webSocket: pageOf(PAGE, { Cookie: `session=${mint()}` }),
    });
    await once(socket, "open");
    await echoed(socket, "by cookie");
    socket.close();
  });

  test("a token in each message: a bad one costs its message alone", async () => {
    const reasons = [];
    const provider = ({ reason }) => {
      reasons.push(reason);
      return mint({ secret: reason === "connect" ? "x".repeat(40) : undefined });
    };
    const socket = new VestibuleSocket(gateway.url("/each"), ["chat.v1"], { auth: perMessage(provider), webSocket: WebSocket });
    const lines = record(socket);
    await once(socket, "open");
    const refused = once(socket, "auth", ({ detail }) => detail.state === "rejected");
    socket.send('{"lost":true}');
    assert.equal((await refused).detail.error, "invalid_token");
    const text = '{ "n":1.0, "n" : "\\u00e9 é" }';
    await echoed(socket, text);
    await echoed(socket, "[]");
    assert.equal(socket.protocol, "chat.v1");
    assert.deepEqual(reasons, ["connect", "refresh"]);
    assert.deepEqual(gateway.arrived.slice(-2), [text, "[]"]);
    assert.ok(!gateway.arrived.includes('{"lost":true}'));
    assert.ok(lines.every((line) => !line.startsWith("close")));
    socket.close();
  });

  test("a token in each message: when the last has ended, a new connection with a new one", async () => {
    const reasons = [];
    const provider = ({ reason }) => {
      reasons.push(reason);
      return mint({ seconds: reason === "connect" ? 3 : 600 });
    };
    const options = { auth: perMessage(provider), webSocket: WebSocket, reconnect: { base: 50, stable: 0 } };
    const socket = new VestibuleSocket(gateway.url("/each"), ["chat.v1"], options);
    await once(socket, "open");
    await echoed(socket, "1");
    const { detail } = await once(socket, "reconnecting");
    assert.equal(`${detail.code} ${detail.error}`, "4401 token_expired");
    await once(socket, "open");
    await echoed(socket, "2");
    assert.deepEqual(reasons, ["connect", "refused"]);
    socket.close();
  });

  test("logout ends it", async () => {
    const { socket, over, lines } = connect("/chat", () => mint());
    await once(socket, "open");
    socket.logout();
    assert.equal(`${(await over).code}`, "4410");
    assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 4410 logged_out"]);
  });

  test("a gateway that starts anew loses nothing that waited, and doubles nothing", async () => {
    const { socket, reasons } = connect("/chat", () => mint());
    await once(socket, "open");
    await echoed(socket, "before");
    const lost = once(socket, "reconnecting");
    await gateway.kill();
    await lost;
    for (const text of ["while it is down 1", "while it is down 2"]) {
      socket.send(text);
    }
    assert.ok(socket.bufferedAmount > 0);
    const open = once(socket, "open");
    const last = once(socket, "message", ({ data }) => data === "while it is down 2");
    await gateway.start();
    await open;
    await last;
    assert.equal(socket.bufferedAmount, 0);
    for (const text of ["before", "while it is down 1", "while it is down 2"]) {
      assert.equal(gateway.arrived.filter((arrived) => arrived === text).length, 1, text);
    }
    assert.equal(reasons[0], "connect");
    assert.equal(reasons.at(-1), "reconnect");
    socket.close();
  });
});
