import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Plugin } from "vite";

/**
 * Tells the service worker which files this build has. Those of `publicDir` are copied as they are, past the bundler.
 * Models are not among them.
 */
export function precache(publicDir: string): Plugin {
  return {
    name: "precache",
    apply: "build",
    generateBundle: {
      order: "post",
      async handler(_options, bundle) {
        const worker = bundle["sw.js"];
        const entry = Object.values(bundle).find((file) => file.type === "chunk" && file.isEntry && file !== worker)?.fileName;
        if (worker?.type !== "chunk" || entry === undefined) throw new Error("precache: the build has no sw.js or no page");
        const hash = createHash("sha256");
        const names = Object.keys(bundle).filter((name) => name !== "sw.js" && name !== "index.html" && !name.startsWith("models/"));
        const page = bundle["index.html"];
        if (page?.type !== "asset") throw new Error("precache: the build has no index.html");
        hash.update(page.source);
        hash.update(worker.code);
        for (const name of names.sort()) hash.update(name);
        const copied = (await readdir(publicDir)).sort();
        for (const name of copied) hash.update(await readFile(resolve(publicDir, name)));
        const later = names.filter((name) => isLater(name));
        const shell = ["", ...names.filter((name) => !isLater(name)), ...copied];
        const build = { version: hash.digest("hex").slice(0, 16), entry, shell, later };
        worker.code = `const BUILD = ${JSON.stringify(build)};\n${worker.code}`;
      },
    },
  };
}

/** One engine of four is used, the grammar module by few, and of the alphabets mostly the Latin one. */
function isLater(name: string): boolean {
  return name.endsWith(".wasm") || (name.endsWith(".woff2") && !/-latin-(?!ext)/.test(name));
}
