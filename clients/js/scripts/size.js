// How large the package is for whoever bundles it: minified and gzipped (level 9), in bytes, with what a bundler can leave
// out left out. `node scripts/size.js` prints a table.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What everybody needs, with the two most common ways to authenticate. */
export const CORE = ["VestibuleSocket", "VestibuleError", "bearer", "cookie"];
/** What comes on top of it, for those who import it. */
export const EXTRAS = ["apiKey", "dpop", "dpopKey", "passkey", "perMessage", "publicKey", "registerPasskey", "scram", "session", "stepUp", "subprotocol", "ticket"];

/** `names`: what is imported. */
export async function size(names) {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `export { ${names.join(", ")} } from "./dist/index.js";`,
      resolveDir: fileURLToPath(new URL("..", import.meta.url)),
    },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
  });
  return { bytes: gzipSync(outputFiles[0].contents, { level: 9 }).length, text: outputFiles[0].text, metafile };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const core = (await size(CORE)).bytes;
  process.stdout.write(`${core} bytes: ${CORE.join(", ")}\n`);
  for (const extra of EXTRAS) {
    process.stdout.write(`+${(await size([...CORE, extra])).bytes - core} bytes: ${extra}\n`);
  }
  process.stdout.write(`${(await size([...CORE, ...EXTRAS])).bytes} bytes: everything\n`);
}
