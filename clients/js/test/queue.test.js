import assert from "node:assert/strict";
import { test } from "node:test";
import { VestibuleError } from "../dist/index.js";
import { settled } from "./fakes.js";
import { AUTHENTICATE, open, setUp } from "./set-up.js";

test("what was sent while there was no connection goes over the next one, in order, once", async () => {
  const { socket, made, world } = setUp();
  socket.send("1");
  await settled();
  socket.send("2");
  made[0].open();
  socket.send("3");
  made[0].accept();
  socket.send("4");
  assert.deepEqual(made[0].sent.slice(1), ["1", "2", "3", "4"]);
  made[0].end();
  socket.send("5");
  await world.pass(250);
  made[1].open();
  made[1].accept();
  socket.send("6");
  assert.deepEqual(made[1].sent.slice(1), ["5", "6"]);
  assert.equal(socket.bufferedAmount, 0);
});

test("a socket that is closing already takes nothing", async () => {
  const { socket, made, world } = await open();
  made[0].readyState = 2; // a Close has come; the event has not
  socket.send("kept");
  assert.deepEqual(made[0].sent.slice(1), []);
  made[0].end(1001, "draining");
  await world.pass(250);
  made[1].open();
  made[1].accept();
  assert.deepEqual(made[1].sent.slice(1), ["kept"]);
});

test("an application that starts anew gets an empty queue", async () => {
  const { socket, made, world } = await open({ queue: { resend: "none" } });
  made[0].end();
  socket.send("old");
  await world.pass(250);
  made[1].open();
  socket.onopen = () => socket.send("hello");
  made[1].accept();
  assert.deepEqual(made[1].sent.slice(1), ["hello"]);
});

test("the queue is bounded in bytes", async () => {
  const kept = { throw: ["aaaa", "bbbb"], "drop-newest": ["aaaa", "bbbb"], "drop-oldest": ["bbbb", "éé"] };
  for (const [overflow, sent] of Object.entries(kept)) {
    const { socket, made } = setUp({ queue: { maxBytes: 8, overflow } });
    socket.send("aaaa");
    socket.send("bbbb");
    // Two characters of two bytes; then one that can never fit.
    for (const text of ["éé", "ééééé", "123456789"]) {
      if (overflow === "throw") {
        assert.throws(() => socket.send(text), (error) => error instanceof VestibuleError && error.code === "queue_full");
      } else {
        socket.send(text);
      }
    }
    assert.equal(socket.bufferedAmount, 8, overflow);
    await settled();
    made[0].open();
    made[0].accept();
    assert.deepEqual(made[0].sent.slice(1), sent, overflow);
  }
});

test("what is binary is copied when it is sent", async () => {
  const { socket, made } = setUp();
  const bytes = new Uint8Array([1, 2, 3, 4, 5, 6]);
  socket.send(bytes.subarray(3, 5));
  socket.send(bytes.buffer);
  socket.send(new Blob(["blob"]));
  assert.equal(socket.bufferedAmount, 12);
  bytes.fill(9);
  await settled();
  made[0].open();
  made[0].accept();
  const [, view, buffer, blob] = made[0].sent;
  assert.deepEqual([...new Uint8Array(view)], [4, 5]);
  assert.deepEqual([...new Uint8Array(buffer)], [1, 2, 3, 4, 5, 6]);
  assert.equal(blob.size, 4);
});

test("an application cannot send a control message by accident", async () => {
  const { socket } = await open();
  assert.throws(() => socket.send('{"auth":{"type":"logout"}}'), { code: "reserved_message" });
});

test("what is left in the queue at the end is counted, and not sent under another name", async () => {
  const { socket, made, lines } = await open();
  made[0].end();
  socket.send("lost");
  let unsent;
  socket.onauth = ({ detail }) => {
    unsent = detail.unsent;
  };
  socket.close();
  await settled();
  assert.equal(unsent, 1);
  assert.equal(socket.bufferedAmount, 0);
  assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 1005"]);
  socket.send("after the end");
  socket.reconnect();
  await settled();
  made[1].open();
  made[1].accept();
  assert.deepEqual(made[1].sent, [AUTHENTICATE("token-2")]);
});
