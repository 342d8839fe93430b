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

/** The licences of the packages that are built in, as they ask. */
const licences: Plugin = {
  name: "licences",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((part) => (part.type === "chunk" ? Object.keys(part.modules) : []));
    const folders = modules.flatMap(
      (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace("\0", ""))?.[0] ?? [],
    );
    const texts = [...new Set(folders)].sort().map((folder) => {
      const { name, version, license, repository } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
      const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
      return `${name} ${version}, ${license}, ${repository?.url ?? repository ?? ""}\n\n${file ? readFileSync(`${folder}/${file}`, "utf8").trim() : ""}\n`;
    });
    this.emitFile({
      type: "asset",
      fileName: "licenses.txt",
      source: `Built into this page:\n\n${texts.join("\n----\n\n")}`,
    });
  },
};

export default defineConfig({
  base: "/static/",
  plugins: [unused, digest, licences],
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
