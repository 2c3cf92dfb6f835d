// Gives scans to the page in Chromium, opened from the disk as it is, and keeps what it says and saves.
//   node test/drive.mjs CHROMIUM JOBS.json OUT
// JOBS: [{ name, paths, folder }]: the file of a scan, or the one folder. OUT gets {name}/ with what was saved, and
// results.json: what the page told of each, seconds by the clock and of all processors, and what it asked the network for.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, jobsFile, out] = process.argv.slice(2);
const jobs = JSON.parse(await readFile(jobsFile, "utf8"));
const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
const browser = await chromium.launch({ executablePath, args });
const processors = await browser.newBrowserCDPSession();
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
page.setDefaultTimeout(600_000);
const [requests, complaints] = [[], []];
page.on("request", (request) => requests.push(request.url()));
page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(pathToFileURL(new URL("../dist/index.html", import.meta.url).pathname).href);

const scans = {};
for (const job of jobs) scans[job.name] = await labelled(job);
const stop = await stopped(jobs[0]);
const found = { scans, stop, complaints: [...complaints], requests: [...requests], barred: await barred() };
await writeFile(`${out}/results.json`, JSON.stringify(found, null, 2));
await browser.close();

async function labelled({ name, paths, folder }) {
  await mkdir(`${out}/${name}`, { recursive: true });
  const before = await processorSeconds();
  const began = performance.now();
  await give(paths, folder);
  await page.waitForSelector("#work[hidden]", { state: "attached" });
  const seconds = { clock: (performance.now() - began) / 1000, processors: (await processorSeconds()) - before };
  const mistake = page.locator("#mistake");
  if (await mistake.isVisible()) return { seconds, mistake: await mistake.textContent() };
  const saved = {};
  for (const [what, key] of [["label", "s"], ["picture", "p"]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press(key)]);
    saved[what] = `${name}/${download.suggestedFilename()}`;
    await download.saveAs(`${out}/${saved[what]}`);
  }
  const texts = (selector) => page.locator(selector).allTextContents();
  return { seconds, saved, ml: await texts("#volumes td.number"), size: await page.textContent("#size"), koos: await page.textContent("#koos"), remarks: await texts("#remarks li") };
}

/** What the page says of a scan that is stopped by a key. */
async function stopped({ paths, folder }) {
  await give(paths, folder);
  await page.waitForFunction(() => document.querySelector("#step").textContent.startsWith("Slice"));
  await page.keyboard.press("Escape");
  return page.textContent("#mistake");
}

/** By which rules of its policy the page is kept from asking the network, tried in the page. */
function barred() {
  return page.evaluate(async () => {
    const rules = [];
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => rules.push(effectiveDirective));
    await fetch("http://127.0.0.1:9/").catch(() => null);
    await new Promise((resolve) => Object.assign(new Image(), { onerror: resolve, onload: resolve, src: "http://127.0.0.1:9/" }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    return rules;
  });
}

async function give(paths, folder) {
  await page.setInputFiles(folder ? "#folder" : "#file", folder ? paths[0] : paths);
  await page.waitForSelector("#work", { state: "attached" });
}

async function processorSeconds() {
  const { processInfo } = await processors.send("SystemInfo.getProcessInfo");
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}
