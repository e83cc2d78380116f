// mqtt.js gets our WebSocket for its own, and notices nothing. MQTT itself cannot change a credential while it is connected.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import mqtt from "mqtt";
import packets from "mqtt-packet";
import WebSocket from "ws";
import { bearer, VestibuleSocket } from "../dist/index.js";
import { accepted, controlOf, says, webSocketServer } from "./servers.js";

/** A broker that sends what is published back to all who subscribed, behind what behaves like a gateway. */
async function broker(controls) {
  const subscribers = new Set();
  const answer = {
    connect: () => ({ cmd: "connack", returnCode: 0, sessionPresent: false }),
    subscribe: ({ messageId }, peer) => {
      subscribers.add(peer);
      return { cmd: "suback", messageId, granted: [0] };
    },
    pingreq: () => ({ cmd: "pingresp" }),
    publish: ({ topic, payload, qos, messageId }) => {
      subscribers.forEach((peer) => peer.send(packets.generate({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false })));
      return qos === 1 ? { cmd: "puback", messageId } : undefined;
    },
    disconnect: () => undefined,
  };
  return webSocketServer(
    (peer) => {
      const parser = packets.parser();
      parser.on("packet", (packet) => {
        const said = answer[packet.cmd](packet, peer);
        if (said) {
          peer.send(packets.generate(said));
        }
      });
      let state = "unauthenticated";
      peer.on("message", (data, isBinary) => {
        const auth = isBinary ? undefined : controlOf(data);
        if (auth) {
          controls.push(`${auth.type} ${auth.token}`);
          state = "authenticated";
          peer.send(accepted());
        } else {
          assert.equal(state, "authenticated");
          parser.parse(data);
        }
      });
      peer.on("close", () => subscribers.delete(peer));
    },
    { handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false) },
  );
}

test("mqtt subscribes, publishes over a refresh, and reconnects by itself with another token", async () => {
  const [controls, sockets] = [[], []];
  const server = await broker(controls);
  let asked = 0;
  const Socket = VestibuleSocket.with({
    auth: bearer(({ reason }) => `${reason}-${(asked += 1)}`),
    webSocket: WebSocket,
    reconnect: false,
  });
  const client = mqtt.connect(server.url, {
    // Its code for browsers, which takes any WebSocket.
    forceNativeWebSocket: true,
    createWebsocket: (url, protocols) => {
      sockets.push(new Socket(url, protocols));
      return sockets.at(-1);
    },
    reconnectPeriod: 1,
    protocolVersion: 4,
  });
  const next = async () => {
    const [topic, payload] = await once(client, "message");
    return `${topic} ${payload}`;
  };
  try {
    await once(client, "connect");
    assert.equal(sockets[0].protocol, "mqtt");
    assert.equal(sockets[0].binaryType, "arraybuffer");
    await client.subscribeAsync("weather");
    let arrived = next();
    client.publish("weather", "sunny");
    assert.equal(await arrived, "weather sunny");

    const [peer] = server.server.clients;
    const refreshed = once(sockets[0], "auth");
    peer.send(says({ type: "expiring", expires_in: 30 }));
    await refreshed;
    arrived = next();
    await client.publishAsync("weather", "x".repeat(300_000), { qos: 1 });
    assert.equal((await arrived).length, 300_008);
    assert.equal(sockets.length, 1);

    // The gateway ends the connection: mqtt makes another, and subscribes anew.
    const again = once(client, "connect");
    peer.close(4401, "token_expired");
    await again;
    assert.equal(sockets.length, 2);
    const subscribed = once(server.server.clients.values().next().value, "message");
    await subscribed;
    arrived = next();
    client.publish("weather", "rain");
    assert.equal(await arrived, "weather rain");
  } finally {
    await client.endAsync(true);
    await server.close();
  }
  assert.deepEqual(controls, ["authenticate connect-1", "refresh refresh-2", "authenticate connect-3"]);
});
