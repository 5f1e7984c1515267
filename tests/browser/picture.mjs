// The picture of the README: `node tests/browser/picture.mjs REPORT PICTURE`. The top of a report and its most telling charts, in
// light mode, 1100 pixels wide and laid out for 960, so that it can be read where it is scaled to 800.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [report, picture] = process.argv.slice(2).map((it) => resolve(it));
const WIDTH = 960;
const PIXELS = 1100;
const MOST_BYTES = 350_000;
const CARDS = 8;
const CHARTS = [["channels"], ["roas", "retention"]];

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"],
});
try {
  const page = await browser.newPage();
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await page.setViewport({ width: WIDTH, height: 1000, deviceScaleFactor: PIXELS / WIDTH });
  await page.goto(pathToFileURL(report).href, { waitUntil: "load" });
  const missing = await page.evaluate((most, charts) => {
    const main = document.querySelector("main");
    const summary = document.getElementById("summary");
    summary.replaceChildren(...summary.querySelectorAll(":scope > .proof, :scope > .cards"));
    [...summary.querySelectorAll(".cards li")].slice(most).forEach((card) => card.remove());
    const rows = charts.map((ids) => {
      const row = document.createElement("div");
      Object.assign(row.style, { display: "grid", gridTemplateColumns: `repeat(${ids.length}, minmax(0, 1fr))`, gap: "0 2rem" });
      row.append(...ids.map((id) => document.getElementById(`figure-${id}`)).filter(Boolean));
      row.querySelectorAll(".chart > .note").forEach((note) => note.remove());
      return row;
    });
    main.replaceChildren(summary, ...rows);
    document.querySelector("nav.contents").remove();
    // Which run it was says nothing here.
    [...document.querySelectorAll("header.top .run span")].slice(2).forEach((words) => words.remove());
    document.querySelector(".equation").style.fontSize = ".78rem";
    document.querySelector(".frame").style.paddingBottom = "1rem";
    document.querySelector("header.top").style.paddingTop = "1.5rem";
    summary.style.paddingTop = "1.25rem";
    main.querySelectorAll(".chart").forEach((chart) => { chart.style.margin = "1.25rem 0 0"; });
    return charts.flat().filter((id) => !document.getElementById(`figure-${id}`));
  }, CARDS, CHARTS);
  if (missing.length > 0) throw new Error(`the report has no chart ${missing.join(", ")}`);
  await page.evaluate(() => new Promise((done) => setTimeout(done, 500)));
  await page.screenshot({ path: picture, fullPage: true });
} finally {
  await browser.close();
}
const { size } = statSync(picture);
if (size > MOST_BYTES) throw new Error(`${picture} has ${size} bytes, more than ${MOST_BYTES}`);
console.log(`${picture}, ${size} bytes`);
