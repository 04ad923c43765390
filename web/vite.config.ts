/// <reference types="vitest/config" />
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { defineConfig, type Plugin } from "vite";

// Relative addresses only, so that one build serves the LAN, the relay's host of the site, and the demo.
// For developing: the API of `make demo`, or of the site named here.
const api = { "/api": { target: process.env["WALLPORT_API"] ?? "http://127.0.0.1:8480", ws: true } };

/** Beside each text that is worth it a `.br` and a `.gz`: a small computer at home must not compress at every request. */
function compressed(): Plugin {
  const LEAST_BYTES = 512;
  const visit = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) visit(path);
      else if (/\.(js|css|html|svg|webmanifest)$/.test(name) && statSync(path).size >= LEAST_BYTES) {
        const content = readFileSync(path);
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    }
  };
  let folder = "";
  return {
    name: "compressed",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      visit(folder);
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  base: "./",
  server: { proxy: api },
  preview: { proxy: api },
  build: {
    outDir: "../api/web",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's policy allows no data: scripts or styles
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: "index.html", sw: "worker/sw.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
