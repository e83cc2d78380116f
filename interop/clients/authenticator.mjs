// An authenticator whose owner agrees to everything: passkeys on P-256, without attestation (Web Authentication, level 3).

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const sha256 = (data) => createHash("sha256").update(data).digest();

/** User present and verified; with a credential in it. */
const FLAGS = { get: 0x05, create: 0x45 };

/** As much of CBOR (RFC 8949) as an authenticator needs: small integers, bytes, short texts, maps. */
function cbor(value) {
  const head = (major, count) => (count < 24 ? [(major << 5) | count] : count < 256 ? [(major << 5) | 24, count] : [(major << 5) | 25, count >> 8, count & 255]);
  if (typeof value === "number") {
    return Buffer.from(value < 0 ? head(1, -1 - value) : head(0, value));
  }
  if (typeof value === "string") {
    return Buffer.concat([Buffer.from(head(3, value.length)), Buffer.from(value)]);
  }
  if (value instanceof Map) {
    return Buffer.concat([Buffer.from(head(5, value.size)), ...[...value].flat().map(cbor)]);
  }
  return Buffer.concat([Buffer.from(head(2, value.length)), value]);
}

/** What a page of this origin has as `navigator.credentials`. */
export function authenticator(origin) {
  const passkeys = [];

  const clientData = (type, challenge) =>
    Buffer.from(JSON.stringify({ type, challenge: base64url(challenge), origin, crossOrigin: false }));
  const authenticatorData = (kind, party, count, attested = Buffer.alloc(0)) => {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(count);
    return Buffer.concat([sha256(party), Buffer.from([FLAGS[kind]]), counter, attested]);
  };
  const written = (id, response) => ({
    toJSON: () => ({
      id: base64url(id),
      rawId: base64url(id),
      type: "public-key",
      authenticatorAttachment: "platform",
      clientExtensionResults: {},
      response: Object.fromEntries(Object.entries(response).map(([name, bytes]) => [name, base64url(bytes)])),
    }),
  });

  return {
    create: async ({ publicKey: { challenge, rp, user } }) => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const { x, y } = publicKey.export({ format: "jwk" });
      const passkey = { id: randomBytes(16), party: rp.id, user: Buffer.from(user.id), privateKey, count: 1 };
      passkeys.push(passkey);
      const key = new Map([[1, 2], [3, -7], [-1, 1], [-2, Buffer.from(x, "base64url")], [-3, Buffer.from(y, "base64url")]]);
      const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([0, passkey.id.length]), passkey.id, cbor(key)]);
      const authData = authenticatorData("create", rp.id, passkey.count, attested);
      const attestationObject = cbor(new Map([["fmt", "none"], ["attStmt", new Map()], ["authData", authData]]));
      return written(passkey.id, { clientDataJSON: clientData("webauthn.create", challenge), attestationObject });
    },
    get: async ({ publicKey: { challenge, rpId } }) => {
      const passkey = passkeys.find(({ party }) => party === rpId);
      if (!passkey) {
        throw new DOMException("there is no such passkey", "NotAllowedError");
      }
      passkey.count += 1;
      const clientDataJSON = clientData("webauthn.get", challenge);
      const data = authenticatorData("get", rpId, passkey.count);
      const signature = sign("sha256", Buffer.concat([data, sha256(clientDataJSON)]), passkey.privateKey);
      return written(passkey.id, { clientDataJSON, authenticatorData: data, signature, userHandle: passkey.user });
    },
  };
}
