// Builds the pages that are part of the gateway's program: the console, and the demonstration. What is built is kept in the
// repository, so that building the gateway takes no Node. With --check: fails where that is not what the sources say.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const gateway = fileURLToPath(new URL("../../crates/vestibule-gateway/src/", import.meta.url));

/** Where the files of a page are, and what its scripts begin with. */
const PAGES = [
  { files: "static/console/", assets: `${gateway}ops/console/assets/`, scripts: { "console.js": "src/main.ts" } },
  {
    files: "static/demo/",
    assets: `${gateway}demo/assets/`,
    scripts: { "page.js": "src/demo/page.ts", "foreign.js": "src/demo/foreign.ts" },
  },
];

/** A script or a style sheet, and all that it imports, as one file. */
async function bundled(entry) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

async function built({ files, scripts }) {
  const texts = {};
  for (const [name, entry] of Object.entries(scripts)) {
    texts[name] = await bundled(entry);
  }
  for (const name of readdirSync(root + files)) {
    texts[name] = name.endsWith(".css") ? await bundled(files + name) : readFileSync(root + files + name, "utf8");
  }
  return texts;
}

function kept(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there yet.
    return null;
  }
}

const stale = [];
for (const page of PAGES) {
  const texts = await built(page);
  for (const name of new Set([...readdirSync(page.assets), ...Object.keys(texts)])) {
    if (texts[name] === undefined || kept(page.assets + name) !== texts[name]) {
      stale.push(page.assets + name);
    }
  }
  if (!process.argv.includes("--check")) {
    for (const [name, text] of Object.entries(texts)) {
      writeFileSync(page.assets + name, text);
    }
  }
}
if (process.argv.includes("--check") && stale.length > 0) {
  console.error(`not what console/ builds: ${stale.join(", ")}; build it with\n\n    npm --prefix console run build\n`);
  process.exit(1);
}
