// A client with a clock and sockets that are not real.

import { bearer, VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, fakeImplementation, record, settled } from "./fakes.js";

export const ADDRESS = "wss://example.com/chat";
export const AUTHENTICATE = (token) => JSON.stringify({ auth: { type: "authenticate", mechanism: "bearer", token } });
export const REFRESH = (token) => JSON.stringify({ auth: { type: "refresh", mechanism: "bearer", token } });

/** A socket with everything that is faked. */
export function setUp(options = {}, protocols = []) {
  const world = new FakeEnvironment();
  const { FakeSocket, made } = fakeImplementation();
  const asked = [];
  const provider = (request) => {
    asked.push(request);
    return `token-${asked.length}`;
  };
  const { carrier, auth, ...rest } = options;
  const socket = new VestibuleSocket(ADDRESS, protocols, {
    auth: auth ?? bearer(provider, carrier ? { carrier } : {}),
    webSocket: FakeSocket,
    environment: world.environment,
    ...rest,
  });
  return { socket, world, made, asked, lines: record(socket) };
}

/** The same, open. */
export async function open(options, protocols) {
  const all = setUp(options, protocols);
  await settled();
  all.made[0].open();
  all.made[0].accept();
  return all;
}
