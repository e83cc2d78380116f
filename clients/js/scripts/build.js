// Builds dist/ (what is published: one module, and types) and build/ (each module by itself, for the tests).

import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const common = { absWorkingDir: root, format: "esm", target: "es2022", platform: "neutral", logLevel: "warning" };

for (const folder of ["dist", "build"]) {
  rmSync(`${root}/${folder}`, { recursive: true, force: true });
}
const modules = readdirSync(`${root}/src`).map((name) => `src/${name}`);
await build({ ...common, entryPoints: modules, outdir: "build" });
await build({ ...common, entryPoints: ["src/index.ts"], outdir: "dist", bundle: true });
const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
execFileSync(process.execPath, [compiler, "--project", root], { stdio: "inherit" });
