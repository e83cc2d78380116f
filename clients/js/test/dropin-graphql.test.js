// A library that makes its own WebSockets gets ours, and notices nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildSchema } from "graphql";
import { createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from "graphql-ws";
import WebSocket from "ws";
import { bearer, VestibuleSocket } from "../dist/index.js";
import { accepted, controlOf, says, webSocketServer } from "./servers.js";

const schema = buildSchema("type Query { hello: String } type Subscription { count: Int }");

/** A GraphQL server behind what behaves like a gateway; `controls` is what that heard. */
async function graphqlServer(peers, controls, count) {
  const roots = { query: { hello: "world" }, subscription: { count } };
  const graphql = makeServer({ schema, roots });
  const script = (peer) => {
    peers.push(peer);
    let receive;
    let closed;
    peer.on("message", (data) => {
      const auth = controlOf(data);
      if (!auth) {
        return receive(data.toString());
      }
      controls.push(auth.type);
      closed ??= graphql.opened(
        {
          protocol: peer.protocol,
          send: (text) => peer.send(text),
          close: (code, reason) => peer.close(code, reason),
          onMessage: (listener) => {
            receive = listener;
          },
        },
        {},
      );
      peer.send(accepted());
    });
    peer.on("close", (code, reason) => closed?.(code, reason.toString()));
  };
  return webSocketServer(script, { handleProtocols: () => GRAPHQL_TRANSPORT_WS_PROTOCOL });
}

test("graphql-ws asks, subscribes over a refresh, and reconnects by itself", async () => {
  const [peers, controls, reasons] = [[], [], []];
  let more;
  async function* count() {
    yield { count: 1 };
    await new Promise((resolve) => {
      more = resolve;
    });
    yield { count: 2 };
  }
  const server = await graphqlServer(peers, controls, count);
  const client = createClient({
    url: server.url,
    retryWait: () => Promise.resolve(),
    shouldRetry: () => true,
    webSocketImpl: VestibuleSocket.with({
      auth: bearer(({ reason }) => `token-${reasons.push(reason)}`),
      webSocket: WebSocket,
      reconnect: false,
    }),
  });
  try {
    const hello = await client.iterate({ query: "{ hello }" }).next();
    assert.deepEqual({ ...hello.value.data }, { hello: "world" });

    const counting = client.iterate({ query: "subscription { count }" });
    const first = await counting.next();
    assert.equal(first.value.data.count, 1);
    // The credential is refreshed while the subscription runs.
    const refreshed = new Promise((resolve) => {
      peers.at(-1).once("message", (data) => resolve(controlOf(data)));
    });
    peers.at(-1).send(says({ type: "expiring", expires_in: 30 }));
    assert.equal((await refreshed).type, "refresh");
    more();
    assert.equal((await counting.next()).value.data.count, 2);
    await counting.return();

    // The connection breaks while a subscription runs: graphql-ws makes another one, and that authenticates.
    const broken = client.iterate({ query: "subscription { count }" });
    await broken.next();
    const before = peers.length;
    peers.at(-1).close(1012);
    assert.equal((await broken.next()).value.data.count, 1);
    assert.equal(peers.length, before + 1);
    assert.equal(controls.at(-1), "authenticate");
    await broken.return();
  } finally {
    await client.dispose();
    await server.close();
  }
  assert.ok(reasons.includes("refresh"));
});
