// How large the package is for whoever bundles it: minified and gzipped, in bytes.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** `names`: what is imported. */
export async function size(names) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export { ${names} } from "./dist/index.js";`, resolveDir: fileURLToPath(new URL("..", import.meta.url)) },
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
  process.stdout.write(`${(await size("VestibuleSocket, bearer, cookie, VestibuleError")).bytes} bytes\n`);
}
