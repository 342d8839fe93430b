import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Plugin, defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Of the viewer's parts that this page never uses, those that would make the build three times as large. */
const unused: Plugin = {
  name: "without-unused-parts",
  enforce: "pre",
  transform(code, id) {
    if (!id.endsWith("/registerComputeWorker.js")) return undefined;
    const without = code.replace(/new Worker\(.*?\}\)/s, "null");
    if (without === code) this.error("the viewer starts its worker in another way now");
    return without;
  },
};

/** What the build is made of, in one number; `tests/app/review` compares it with the sources that lie beside it. */
const digest: Plugin = {
  name: "digest-of-the-sources",
  generateBundle() {
    const sources = readdirSync(here("src"), { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.\w+$/.test(name),
    );
    const files = [...sources.map((name) => `src/${name}`), "index.html", "package-lock.json", "vite.config.ts"].sort();
    const sum = createHash("sha256");
    for (const name of files)
      sum
        .update(`${name}\0`)
        .update(readFileSync(here(name)))
        .update("\0");
    this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${sum.digest("hex")}\n` });
  },
};

export default defineConfig({
  base: "/static/",
  plugins: [unused, digest],
  resolve: {
    alias: [{ find: /^@kitware\/vtk\.js\/IO\/(XML|Geometry|Misc)\/.*$/, replacement: here("src/unused.ts") }],
  },
  build: {
    target: "es2022",
    outDir: here("../pipeline/app/review/static"),
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
});
