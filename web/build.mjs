// Bundles the page: `assets` holds what scripts/web_assets.py made, `dist` gets plain files that need no server.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const common = { bundle: true, minify: true, target: "es2023", format: "iife", metafile: true, logLevel: "warning" };
await rm("dist", { recursive: true, force: true });
await mkdir("dist");
// A page on a disk may not start a worker from a file, so its text is in the page.
const worker = await build({ ...common, entryPoints: ["src/worker.ts"], outfile: "assets/worker.txt" });
const loader = { ".txt": "text", ".onnx": "binary", ".wasm": "binary" };
const page = await build({
  ...common,
  entryPoints: ["src/page/page.ts", "src/page/network.ts"],
  outdir: "dist",
  entryNames: "[name]",
  loader,
});
for (const name of ["index.html", "page.css"]) await cp(`src/page/${name}`, `dist/${name}`);
await cp("../LICENSE", "dist/LICENSE.txt");
await writeFile("dist/THIRD_PARTY.txt", await licences([worker, page]));

/** The licences of all packages that are in the page. */
async function licences(builds) {
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(inputs.map((path) => path.match(/^(node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
  const texts = [...packages].sort().map(async (folder) => {
    const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    return `${name} ${version}, ${license}\n\n${await licenceIn(folder)}`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n`);
}

async function licenceIn(folder) {
  for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "license", "LICENCE"]) {
    const text = await readFile(`${folder}/${name}`, "utf8").catch(() => null);
    if (text) return text;
  }
  return "(the package has no file of it)\n";
}
