// An echo server with Node's `ws`. `close CODE` closes; `who` tells the identity.

import { WebSocketServer } from "ws";

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("chat") ? "chat" : false),
});

server.on("listening", () => {
  const { address, port } = server.address();
  console.log(`listening ${address}:${port}`);
});

server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? undefined : data.toString();
    if (text === "who") {
      socket.send(request.headers["x-vestibule-subject"] ?? "");
    } else if (/^close \d{4}$/.test(text ?? "")) {
      socket.close(Number(text.split(" ")[1]), "as you wish");
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
});

process.on("SIGTERM", () => process.exit(0));
