// Builds the files of the console that are part of the gateway's program, and are kept in the repository, so that
// building the gateway takes no Node. With --check: fails where they are not what the sources say.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const assets = fileURLToPath(new URL("../../crates/vestibule-gateway/src/ops/console/assets/", import.meta.url));

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ["src/main.ts"],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
const built = { "console.js": outputFiles[0].text };
for (const name of readdirSync(`${root}/static`)) {
  built[name] = readFileSync(`${root}/static/${name}`, "utf8");
}

const stale = [];
for (const [name, text] of Object.entries(built)) {
  let kept = null;
  try {
    kept = readFileSync(assets + name, "utf8");
  } catch {
    // Not there yet.
  }
  if (kept !== text) {
    stale.push(name);
  }
}
for (const name of readdirSync(assets)) {
  if (!(name in built)) {
    stale.push(name);
  }
}
if (!process.argv.includes("--check")) {
  for (const [name, text] of Object.entries(built)) {
    writeFileSync(assets + name, text);
  }
} else if (stale.length > 0) {
  console.error(`${assets}: not what console/ builds: ${stale.join(", ")}; build it with\n\n    npm --prefix console run build\n`);
  process.exit(1);
}
