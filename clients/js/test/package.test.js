// What is published: its size, its content, its types, its words.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CORE, EXTRAS, size } from "../scripts/size.js";
import { complaints } from "./snippets.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
const read = (path) => readFileSync(`${root}/${path}`, "utf8");
/** Minified and gzipped: the core, and each of what can be left out. */
const MOST_BYTES = 6_000;
const MOST_MORE = {
  apiKey: 80,
  dpop: 1_200,
  dpopKey: 700,
  passkey: 1_500,
  perMessage: 150,
  publicKey: 1_200,
  registerPasskey: 1_500,
  scram: 1_600,
  session: 220,
  stepUp: 250,
  subprotocol: 200,
  ticket: 600,
};

test("it is small, and what is not imported is not there", async () => {
  const core = (await size(CORE)).bytes;
  assert.ok(core < MOST_BYTES, `${core} bytes`);
  for (const extra of EXTRAS) {
    const more = (await size([...CORE, extra])).bytes - core;
    assert.ok(more > 0 && more < MOST_MORE[extra], `${extra}: ${more} bytes more`);
  }
});

test("everything that it exports is measured", async () => {
  assert.deepEqual(Object.keys(await import("../dist/index.js")).sort(), [...CORE, ...EXTRAS].sort());
});

test("it needs no other package", async () => {
  const { dependencies, peerDependencies, optionalDependencies } = JSON.parse(read("package.json"));
  assert.deepEqual([dependencies, peerDependencies, optionalDependencies], [undefined, undefined, undefined]);
  assert.doesNotMatch(read("dist/index.js"), /^import /m);
});

test("versions of what it is built and tested with are exact", () => {
  for (const version of Object.values(JSON.parse(read("package.json")).devDependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/);
  }
  assert.doesNotMatch(read("package-lock.json"), /"resolved"|registry/);
});

test("the archive holds what is needed, and nothing else", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], { cwd: root });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path).sort();
  const types = readdirSync(`${root}/src`).map((name) => `dist/${name.replace(/\.ts$/, ".d.ts")}`);
  assert.deepEqual(files, ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json", "dist/index.js", ...types].sort());
});

test("publint finds nothing", async () => {
  const { publint } = await import("publint");
  const { messages } = await publint({ pkgDir: root, level: "suggestion", strict: true, pack: false });
  assert.deepEqual(messages, []);
});

for (const program of ["browser", "node"]) {
  test(`the types are as expected: ${program}`, async () => {
    assert.equal(await complaints(`test/types/tsconfig.${program}.json`), "");
  });
}

test("every option, event, reason and code is documented", () => {
  const page = read("README.md");
  const names = (file, name) => {
    const found = new RegExp(`(?:interface|type) ${name}\\b.*?\\n(?:}|\\n|$)`, "s").exec(read(`src/${file}.ts`))[0];
    return [...found.matchAll(/^ {2}(?:readonly (\w+)\??:|\| "(\w+)")/gm)].map((match) => match[1] ?? match[2]);
  };
  const wanted = [
    ...names("options", "Options"),
    ...names("options", "ReconnectOptions"),
    ...names("options", "QueueOptions"),
    ...names("codes", "StopReason"),
    ...names("errors", "ErrorCode"),
    ...names("vocabulary", "AskReason"),
  ].filter((name) => name !== "environment");
  assert.ok(wanted.length > 35, `${wanted.length}`);
  assert.deepEqual(wanted.filter((name) => !new RegExp(`\`(\\w+\\.)?${name}[\`.]`).test(page)), []);
});
