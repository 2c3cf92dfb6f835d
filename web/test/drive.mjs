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
const found = { scans, complaints: [...complaints], stopped: await stopped(jobs[0]), sent: await sent(), requests };
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
  return { seconds, saved, ml: await texts("#volumes td.number"), size: await page.textContent("#size"), remarks: await texts("#remarks li") };
}

/** What the page says of a scan that is stopped by a key. */
async function stopped({ paths, folder }) {
  await give(paths, folder);
  await page.waitForFunction(() => document.querySelector("#step").textContent.startsWith("Slice"));
  await page.keyboard.press("Escape");
  return page.textContent("#mistake");
}

/** Which of the ways out of a page are open, tried in the page. */
function sent() {
  return page.evaluate(async () => {
    const to = "http://127.0.0.1:9/";
    const picture = new Promise((resolve) => {
      const image = Object.assign(new Image(), { onload: () => resolve(true), onerror: () => resolve(false) });
      image.src = `${to}image`;
    });
    const got = await fetch(`${to}fetch`, { mode: "no-cors" }).then(() => true, () => false);
    return { got, picture: await picture };
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
