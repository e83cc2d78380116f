// Offices that give no tickets. The sockets are real; the clock of the client is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { ticket, VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, fakeImplementation, once, record } from "./fakes.js";
import { ADDRESS } from "./set-up.js";
import { tcpServer } from "./servers.js";

/** A client that asks such an office. */
async function against(script, run) {
  const office = await tcpServer((socket) => socket.once("data", (data) => script(socket, data.toString())));
  const world = new FakeEnvironment();
  const { FakeSocket, made } = fakeImplementation();
  let connect;
  const connecting = new Promise((resolve) => {
    connect = resolve;
  });
  class Watched extends FakeSocket {
    constructor(...all) {
      super(...all);
      connect(this);
    }
  }
  const url = office.url.replace("ws:", "http:");
  const socket = new VestibuleSocket(ADDRESS, [], {
    auth: ticket(url, { bearer: () => "s3cr3t" }),
    webSocket: Watched,
    environment: world.environment,
    reconnect: false,
  });
  const lines = record(socket);
  try {
    await run({ socket, world, made, lines, over: once(socket, "close"), connecting });
  } finally {
    socket.close();
    await office.close();
  }
}

const answer = (status, body, more = "") => `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n${more}\r\n${body}`;
const UNAVAILABLE = ["auth stopped ended", "error credential_unavailable", "close 1006"];
const REFUSED = ["auth stopped credential_refused", "error credential_refused", "close 1006"];

const ANSWERS = [
  ["closes at once", (socket) => socket.destroy(), UNAVAILABLE],
  ["does not speak HTTP", (socket) => socket.end("220 mail.example.com ESMTP\r\n"), UNAVAILABLE],
  ["answers with a page", (socket) => socket.end(answer("200 OK", "<html>sign in</html>")), UNAVAILABLE],
  ["answers with nothing", (socket) => socket.end(answer("200 OK", "")), UNAVAILABLE],
  ["answers with another kind of thing", (socket) => socket.end(answer("200 OK", "[1]")), UNAVAILABLE],
  ["answers with null", (socket) => socket.end(answer("200 OK", "null")), UNAVAILABLE],
  ["answers with a ticket that is none", (socket) => socket.end(answer("200 OK", '{"ticket":"a&b=c"}')), UNAVAILABLE],
  ["answers with an endless ticket", (socket) => socket.end(answer("200 OK", `{"ticket":"${"a".repeat(1_000_000)}"}`)), UNAVAILABLE],
  ["breaks off", (socket) => socket.end(answer("200 OK", '{"ticket":"abc"}').slice(0, -3)), UNAVAILABLE],
  ["is out of order", (socket) => socket.end(answer("503 Service Unavailable", '{"ticket":"abc"}')), UNAVAILABLE],
  ["sends elsewhere", (socket) => socket.end(answer("307 Temporary Redirect", "", "Location: /other\r\n")), UNAVAILABLE],
  ["knows nobody", (socket) => socket.end(answer("401 Unauthorized", "{}")), REFUSED],
  ["lets nobody in", (socket) => socket.end(answer("403 Forbidden", "{}")), REFUSED],
];

for (const [name, script, end] of ANSWERS) {
  test(`an office that ${name}`, () =>
    against(script, async ({ socket, made, lines, over }) => {
      let error;
      socket.onerror = (event) => {
        ({ error } = event);
      };
      await over;
      assert.deepEqual(lines.slice(-3), end);
      assert.equal(made.length, 0);
      assert.ok(!inspect([error, error.stack, error.cause], { depth: 9, showHidden: true }).includes("s3cr3t"));
    }));
}

const SILENT = [
  ["never answers", () => {}],
  ["never ends its answer", (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"ticket":"aaaaa\r\n')],
];

for (const [name, script] of SILENT) {
  test(`an office that ${name} is left`, async () => {
    let reached;
    const asked = new Promise((resolve) => {
      reached = resolve;
    });
    await against(
      (socket, text) => {
        script(socket);
        reached([socket, text]);
      },
      async ({ world, lines, over, made }) => {
        const [socket, text] = await asked;
        assert.match(text, /^POST \/ HTTP\/1.1\r\n/);
        const left = new Promise((resolve) => socket.on("close", resolve));
        await world.pass(10_000);
        await over;
        assert.deepEqual(lines.slice(-3), UNAVAILABLE);
        assert.equal(made.length, 0);
        await left;
      },
    );
  });
}

test("an office that has a ticket", () =>
  against(
    (socket) => socket.end(answer("200 OK", '{"ticket":"abc","expires_in":20,"more":true}')),
    async ({ connecting }) => {
      const { url } = await connecting;
      assert.equal(url, `${ADDRESS}?ticket=abc`);
    },
  ));
