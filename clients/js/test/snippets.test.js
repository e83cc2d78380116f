// What the documents show is compiled, and then run until it has authenticated.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { anyWay, complaints, folderFor, play, snippets } from "./snippets.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Page, language, and how each snippet authenticates, in order. */
const PAGES = [
  [
    "README.md",
    "ts",
    [
      ...["message", "message", "query", "message", "public-key", "scram-sha-256", "webauthn", "registered", "dpop", "message"],
      ...["per-message", "message", "message", "message"],
    ],
  ],
  ["../../docs/guide/browser-client.md", "ts", ["message", "webauthn", "public-key", "scram-sha-256"]],
  ["../../docs/guide/clients.md", "js", ["subprotocol", "subprotocol", "message", "header", "message"]],
];

for (const [page, language, ways] of PAGES) {
  const name = page.split("/").at(-1);
  describe(`the snippets of ${name}`, () => {
    const found = snippets(page, language);
    let server;
    before(async () => {
      server = await anyWay();
    });
    after(() => server.close());

    if (language === "ts") {
      test("compile", async () => {
        const folder = folderFor(`snippets-${name}`);
        const files = found.map(({ code }, index) => {
          writeFileSync(`${folder}/${index}.ts`, `${code}\nexport {};\n`);
          return `${index}.ts`;
        });
        writeFileSync(`${folder}/given.d.ts`, readFileSync(`${root}/test/types/given.d.ts`, "utf8"));
        const { compilerOptions } = JSON.parse(readFileSync(`${root}/test/types/tsconfig.browser.json`, "utf8"));
        const settings = { compilerOptions: { ...compilerOptions, skipLibCheck: true, types: ["node"] }, files: ["given.d.ts", ...files] };
        writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(settings));
        assert.equal(await complaints(folder), "");
      });
    }

    test("authenticate", async () => {
      const folder = folderFor(`played-${name}`);
      const played = await Promise.all(found.map(({ code }, index) => play(code, `snippet${index}`, folder, server)));
      assert.deepEqual(played, ways);
    });
  });
}
