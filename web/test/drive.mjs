// Gives scans to the page in Chromium, opened from the disk as it is, and keeps what it says and saves.
//   node test/drive.mjs CHROMIUM JOBS.json OUT
// JOBS: [{ name, paths }], each the files, or the one folder, of a scan. OUT gets {name}/ with what the page saved, and
// results.json with what it told, how long it took and what it asked the network for.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, jobsFile, out] = process.argv.slice(2);
const jobs = JSON.parse(await readFile(jobsFile, "utf8"));
const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];
const browser = await chromium.launch({ executablePath, args });
const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, acceptDownloads: true });
context.setDefaultTimeout(300_000);
const page = await context.newPage();
const [requests, complaints] = [[], []];
page.on("request", (request) => requests.push(request.url()));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(pathToFileURL("dist/index.html").href);
const results = [];process.on("exit",()=>console.error(complaints, requests));
for (const job of jobs) results.push(await labelled(job));
await writeFile(`${out}/results.json`, JSON.stringify({ results, requests, complaints }, null, 2));
await browser.close();

async function labelled({ name, paths, folder = false }) {
  await mkdir(`${out}/${name}`, { recursive: true });
  const began = performance.now();
  await page.setInputFiles(folder ? "#folder" : "#file", paths);
  await page.waitForSelector("#work:not([hidden])", { state: "attached" });
  await page.waitForSelector("#work[hidden]", { state: "attached" });
  const seconds = (performance.now() - began) / 1000;
  const mistake = page.locator("#mistake");
  if (await mistake.isVisible()) return { name, seconds, mistake: await mistake.textContent() };
  for (const button of ["#save", "#picture"]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
    await download.saveAs(`${out}/${name}/${download.suggestedFilename()}`);
  }
  await page.screenshot({ path: `${out}/${name}/page.png` });
  const volumes = await page.locator("#volumes td.number").allTextContents();
  return { name, seconds, volumes, size: await page.textContent("#size"), remarks: await page.locator("#remarks li").allTextContents() };
}
