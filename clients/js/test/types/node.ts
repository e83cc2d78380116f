// A program for Node, without the types of a browser, with the WebSocket of `ws`.

import { readFile } from "node:fs/promises";
import { bearer, VestibuleSocket } from "@vestibule/client";
import WebSocket from "ws";

const socket = new VestibuleSocket("wss://example.com/chat", [], {
  auth: bearer(() => readFile("token", "utf8")),
  webSocket: WebSocket,
});
socket.addEventListener("close", ({ code, reason, wasClean }) => [code.toFixed(), reason.trim(), wasClean]);
socket.onmessage = ({ data }) => data;
