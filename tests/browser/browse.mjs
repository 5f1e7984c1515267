// Drives a headless Chromium over one report: `node browse.mjs REPORT FOLDER`. Fails where the page is not as promised; leaves
// the figures of its tables (tables.json), screenshots, a CSV and a PDF in the folder.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [report, folder] = process.argv.slice(2).map((it) => resolve(it));
const address = pathToFileURL(report).href;
const WIDTHS = { light: 1440, narrow: 390 };

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"],
});
try {
  const page = await open();
  await figures(page);
  await structure(page);
  await charts(page);
  await sorting(page);
  await filtering(page);
  await csv(page);
  await looks(page);
  await paper(page);
  assert.deepEqual(page.complaints, [], "what the console, scripts and network said");
  await withoutScripts();
  console.log(`ok  ${report}`);
} finally {
  await browser.close();
}

/** A page on which everything that should not happen is written down. */
async function open({ scripts = true } = {}) {
  const page = await browser.newPage();
  page.complaints = [];
  page.on("console", (message) => message.type() !== "debug" && page.complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.complaints.push(`script: ${error}`));
  page.on("dialog", (dialog) => { page.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (url.split("#")[0] !== address && !url.startsWith("blob:") && !url.startsWith("data:")) page.complaints.push(`request: ${url}`);
  });
  await page.setJavaScriptEnabled(scripts);
  await page.setViewport({ width: WIDTHS.light, height: 900 });
  await page.goto(address, { waitUntil: "load" });
  return page;
}

/** The exact numbers and names of every table, for whoever compares them with the Parquet files. */
async function figures(page) {
  const tables = await page.evaluate(() => {
    const text = (cell) => cell.dataset.sort ?? cell.textContent;
    const entries = [...document.querySelectorAll("table[id]")].map((table) => {
      const heads = [...table.tHead.rows[0].cells].map((head) => [...head.children].map((part) => part.textContent));
      const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map(text));
      return [table.id, { heads, rows, shown: [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)) }];
    });
    return Object.fromEntries(entries);
  });
  const proofs = await page.$$eval(".proof", (all) => all.map((proof) => ({
    value: proof.dataset.value, window: proof.dataset.window, equation: proof.querySelector(".equation").textContent,
  })));
  const cards = await page.$$eval(".cards li", (all) => all.map((card) => [...card.children].map((part) => part.textContent)));
  const fine = Object.entries(tables).every(([, table]) => table.rows.every((row) => row.length === table.heads.length));
  assert.ok(fine, "every row has as many cells as there are heads");
  writeFileSync(join(folder, "tables.json"), JSON.stringify({ tables, proofs, cards }));
}

/** What those who do not see the page, or use no mouse, need. */
async function structure(page) {
  const problems = await page.evaluate(() => {
    const problems = [];
    const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
    if (new Set(ids).size !== ids.length) problems.push("an id is there twice");
    let level = 0;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
      const next = Number(heading.tagName[1]);
      // A table or chart is a heading of the fourth level wherever it stands.
      if (next > level + 1 && !(next === 4 && level >= 2)) problems.push(`h${next} after h${level}: ${heading.textContent}`);
      level = next;
    }
    for (const table of document.querySelectorAll("table")) {
      if (!table.caption?.textContent.trim()) problems.push(`${table.id} has no caption`);
      if ([...table.tHead.rows[0].cells].some((head) => head.scope !== "col")) problems.push(`${table.id}: a head without scope`);
      if ([...table.tBodies[0].rows].some((row) => row.cells[0].scope !== "row")) problems.push(`${table.id}: a row without head`);
    }
    for (const link of document.querySelectorAll("a[href^='#']")) {
      if (!document.getElementById(link.hash.slice(1))) problems.push(`nothing at ${link.hash}`);
    }
    for (const foreign of document.querySelectorAll("img, iframe, object, embed, form, link:not([rel=icon]), main script")) {
      problems.push(`an element that should not be there: ${foreign.outerHTML.slice(0, 80)}`);
    }
    return problems;
  });
  assert.deepEqual(problems, []);
  // The first thing that the keyboard reaches leads past the contents.
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
}

/** Every chart is drawn, with its marks, and none of its words leave the page. */
async function charts(page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
  await page.evaluate(() => new Promise((done) => setTimeout(done, 200)));
  const drawn = await page.$$eval("[data-chart]", (all) => all.map((place) => ({
    id: place.dataset.chart, pictures: place.querySelectorAll("svg.drawn").length,
    marks: place.querySelectorAll("svg.drawn :is(rect, circle, path)").length,
  })));
  for (const { id, pictures, marks } of drawn) assert.ok(pictures === 1 && marks > 0, `chart ${id} is drawn`);
  const expected = await page.$eval("#charts", (data) => JSON.parse(data.textContent).length);
  assert.equal(drawn.length, expected);
}

/** The longest table of numbers sorts by its last column, by keyboard, down and up. */
async function sorting(page) {
  const id = await page.evaluate(() => [...document.querySelectorAll("table")].sort((one, other) => other.rows.length - one.rows.length)[0].id);
  const column = await page.$$eval(`#${id} thead th`, (heads) => heads.findLastIndex((head) => head.classList.contains("number")));
  if (column < 0) return;
  for (const direction of ["descending", "ascending"]) {
    await page.focus(`#${id} thead th:nth-child(${column + 1})`);
    await page.keyboard.press("Enter");
    await page.waitForFunction((id, column, direction) => document.querySelector(`#${id} thead th:nth-child(${column + 1})`).ariaSort === direction, {}, id, column, direction);
    await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
    const numbers = await page.$$eval(`#${id} tbody tr`, (rows, column) => rows.map((row) => row.cells[column]).map((cell) => cell.dataset.sort ?? cell.textContent).filter((it) => it !== "").map(Number), column);
    const sorted = numbers.toSorted((one, other) => (direction === "descending" ? other - one : one - other));
    assert.deepEqual(numbers, sorted, `${id} is sorted, ${direction}`);
  }
}

/** A filter leaves the rows that have the text, says how many, and gives the others back. */
async function filtering(page) {
  const input = await page.$("[data-filter]");
  if (!input) return;
  const id = await input.evaluate((it) => it.dataset.filter);
  const name = await page.$eval(`#${id} tbody tr:last-child th`, (cell) => cell.textContent);
  const word = name.slice(0, 6);
  await input.focus();
  await page.keyboard.type(word);
  const rows = await page.$$eval(`#${id} tbody tr`, (all) => all.map((row) => ({ hidden: row.hidden, text: row.textContent })));
  for (const { hidden, text } of rows) assert.equal(!hidden, text.toLowerCase().includes(word.trim().toLowerCase()), `${id}: ${text}`);
  const status = await page.$eval(`[data-count="${id}"]`, (it) => it.textContent);
  assert.equal(status, `${rows.filter((row) => !row.hidden).length} of ${rows.length}`);
  for (const _ of word) await page.keyboard.press("Backspace");
  assert.equal(await page.$$eval(`#${id} tbody tr[hidden]`, (all) => all.length), 0);
}

/** The campaigns, or else the channels, are saved by keyboard; no text begins a formula, every number stays one. */
async function csv(page) {
  const button = (await page.$('[data-csv="t-campaigns"]')) ?? (await page.$('[data-csv="t-channels"]')) ?? (await page.$("[data-csv]"));
  const session = await page.createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
  const id = await button.evaluate((it) => it.dataset.csv);
  await button.focus();
  await page.keyboard.press("Enter");
  const file = join(folder, `${id.slice(2)}.csv`);
  for (let turn = 0; turn < 50 && !existsSync(file); turn++) await new Promise((done) => setTimeout(done, 100));
  assert.ok(existsSync(file), `${file} was saved, there are ${readdirSync(folder)}`);
  const text = readFileSync(file, "utf8");
  assert.ok(text.startsWith("\ufeff") && text.endsWith("\r\n"));
  const lines = text.slice(1, -2).split("\r\n").map((line) => line.slice(1, -1).split('","').map((field) => field.replaceAll('""', '"')));
  const rows = await page.$$eval(`#${id} tbody tr`, (all) => all.map((row) => [...row.cells].map((cell) => ({
    numeric: cell.classList.contains("number"), exact: cell.dataset.sort ?? cell.textContent,
  }))));
  assert.equal(lines.length, rows.length + 1);
  rows.forEach((row, place) => row.forEach(({ numeric, exact }, column) => {
    const field = lines[place + 1][column];
    const guarded = !numeric && /^\s*[=+\-@]/.test(exact);
    assert.equal(field, guarded ? `'${exact}` : exact);
    if (numeric) assert.ok(Number.isFinite(Number(field)), field);
  }));
}

/** Light, dark and narrow: screenshots to look at, and what can be checked of them. */
async function looks(page) {
  await page.evaluate(() => document.querySelectorAll("main details").forEach((it) => { it.open = false; }));
  const luminance = () => page.evaluate(() => {
    const of = (colour) => colour.match(/[\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765;
    const words = document.querySelector("svg.drawn text");
    return { paper: of(getComputedStyle(document.body).backgroundColor), words: words ? of(getComputedStyle(words).fill) : null };
  });
  for (const [name, scheme, width] of [["light", "light", WIDTHS.light], ["dark", "dark", WIDTHS.light], ["narrow", "light", WIDTHS.narrow]]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.setViewport({ width, height: 900 });
    await page.evaluate(() => scrollTo(0, 0));
    await page.evaluate(() => new Promise((done) => setTimeout(done, 400)));
    const { paper, words } = await luminance();
    assert.ok(scheme === "dark" ? paper < 0.2 : paper > 0.8, `${name}: paper ${paper}`);
    if (words !== null) assert.ok(Math.abs(paper - words) > 0.5, `${name}: words of charts can be read`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name}: the page is ${overflow} pixels too wide`);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }
  await page.emulateMediaFeatures([]);
  await page.setViewport({ width: WIDTHS.light, height: 900 });
}

/** Printing opens everything and hides what can only be clicked. */
async function paper(page) {
  await page.emulateMediaType("print");
  const hidden = await page.$$eval("nav.contents, .tools", (all) => all.every((it) => getComputedStyle(it).display === "none"));
  assert.ok(hidden, "controls are not printed");
  await page.pdf({ path: join(folder, "report.pdf"), preferCSSPageSize: true, printBackground: true, timeout: 120_000 });
  await page.emulateMediaType(null);
  const pdf = readFileSync(join(folder, "report.pdf"), "latin1");
  assert.ok(pdf.startsWith("%PDF-") && pdf.length > 20_000, "a PDF was made");
}

/** Without scripts every table is still there. */
async function withoutScripts() {
  const page = await open({ scripts: false });
  const shown = await page.$$("table tbody tr");
  assert.ok(shown.length > 0, "rows without scripts");
  assert.equal(await page.$eval(".tools", (it) => it.hidden), true, "no controls that do nothing");
  await page.close();
}
