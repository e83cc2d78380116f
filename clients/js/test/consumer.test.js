// The archive as somebody has it who installed it: resolved, typed, run and bundled in each of the usual ways.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { complaints } from "./snippets.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

const PROGRAM = `
import { bearer, ticket, VestibuleSocket, type AuthDetail, type Options } from "@vestibule/client";
const options: Options = { auth: bearer(async ({ reason }) => reason) };
const details: AuthDetail[] = [];
export const open = (url: string): VestibuleSocket => {
  const socket = new VestibuleSocket(url, "chat.v1", { ...options, auth: ticket("https://example.com/auth/ticket") });
  socket.addEventListener("auth", ({ detail }) => details.push(detail));
  return socket;
};
// @ts-expect-error The types are there, and are not any.
open(7);
`;

const SETTINGS = {
  "nodenext, ESM": { file: "program.mts", module: "nodenext" },
  "nodenext, CommonJS": { file: "program.cts", module: "nodenext" },
  "bundler": { file: "program.ts", module: "esnext", moduleResolution: "bundler" },
};

describe("the archive", () => {
  const home = mkdtempSync(join(tmpdir(), "vestibule-consumer-"));
  const installed = join(home, "node_modules/@vestibule/client");

  before(async () => {
    const line = ["pack", "--ignore-scripts", "--json", "--pack-destination", home];
    const { stdout } = await run("npm", line, { cwd: root });
    mkdirSync(installed, { recursive: true });
    await run("tar", ["-xzf", join(home, JSON.parse(stdout)[0].filename), "-C", installed, "--strip-components=1"]);
  });
  after(() => rmSync(home, { recursive: true }));

  test("has every file that package.json names", () => {
    const { exports, types } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    const named = Object.values(exports).flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)));
    for (const path of [...named, types]) {
      assert.ok(existsSync(join(installed, path)), path);
    }
    assert.equal(Object.keys(exports["."])[0], "types", "the types come first, or they are not found");
  });

  for (const [name, { file, ...options }] of Object.entries(SETTINGS)) {
    test(`is typed: ${name}`, async () => {
      const folder = mkdtempSync(join(home, "typed-"));
      writeFileSync(join(folder, file), PROGRAM);
      writeFileSync(join(folder, "package.json"), "{}");
      const compilerOptions = { target: "es2022", lib: ["es2022", "dom"], types: [], strict: true, noEmit: true, ...options };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
      assert.equal(await complaints(folder), "");
    });
  }

  const SHOWS = "process.stdout.write(Object.keys(it).sort().join());";
  const RUNS = {
    "import": ["program.mjs", `import * as it from "@vestibule/client"; ${SHOWS}`],
    "import()": ["program.cjs", `import("@vestibule/client").then((it) => { ${SHOWS} });`],
  };
  const wanted = async () => Object.keys(await import("../dist/index.js")).sort().join();

  for (const [name, [file, program]] of Object.entries(RUNS)) {
    test(`runs: ${name}`, async () => {
      writeFileSync(join(home, file), program);
      const { stdout, stderr } = await run(process.execPath, [file], { cwd: home });
      assert.deepEqual([stdout, stderr], [await wanted(), ""]);
    });
  }

  test("is bundled for a page, and runs there without Node", async () => {
    const { outputFiles, warnings } = await build({
      stdin: { contents: 'export * from "@vestibule/client";', resolveDir: home },
      bundle: true,
      format: "esm",
      platform: "browser",
      write: false,
    });
    assert.deepEqual(warnings, []);
    assert.doesNotMatch(outputFiles[0].text, /\b(process|Buffer|require)\b|node:/);
  });
});
