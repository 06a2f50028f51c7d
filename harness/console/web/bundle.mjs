// Makes static/bundle/: the terminal and the screen of the page, from the pinned packages.
// Run by tools/setup, which calls it `npm run bundle`.
import { build } from "esbuild";
import { readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

// Debian 12's node has no import.meta.dirname.
const here = fileURLToPath(new URL(".", import.meta.url));
const bundle = new URL("static/bundle/", import.meta.url);
const packages = new URL("node_modules/", import.meta.url);

await rm(bundle, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  stdin: {
    contents: `
      export { Terminal } from "@xterm/xterm";
      export { FitAddon } from "@xterm/addon-fit";
    `,
    resolveDir: here,
  },
  outfile: "static/bundle/xterm.js",
  ...settings(),
});
await build({
  absWorkingDir: here,
  stdin: { contents: `export { default as RFB } from "@novnc/novnc";`, resolveDir: here },
  outfile: "static/bundle/novnc.js",
  ...settings(),
});
await writeFile(
  new URL("xterm.css", bundle),
  await readFile(new URL("@xterm/xterm/css/xterm.css", packages)),
);
// Last: whoever finds it knows that the rest is there.
await writeFile(new URL("LICENSES.txt", bundle), await licences());

function settings() {
  return { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "inline" };
}

async function licences() {
  const files = {
    "@xterm/xterm": ["LICENSE"],
    "@xterm/addon-fit": ["LICENSE"],
    "@novnc/novnc": ["LICENSE.txt", "AUTHORS", "docs/LICENSE.MPL-2.0", "vendor/pako/LICENSE"],
  };
  const parts = [];
  for (const [name, paths] of Object.entries(files)) {
    const about = JSON.parse(await text(name, "package.json"));
    const source = `https://registry.npmjs.org/${name}/-/${name.split("/")[1]}-${about.version}.tgz`;
    parts.push(`${name} ${about.version} (${about.license}), unchanged. Its source: ${source}`);
    for (const path of paths) {
      parts.push(`--- ${name}/${path}`, (await text(name, path)).trimEnd());
    }
  }
  return `${parts.join("\n\n")}\n`;
}

async function text(name, path) {
  return readFile(new URL(`${name}/${path}`, packages), "utf-8");
}
