// Makes the page's PNG icons of its SVG: node icons.js
import { readFile } from "node:fs/promises";
import { chromium } from "@playwright/test";
import { ARGUMENTS } from "./chromium.js";

const FOLDER = new URL("../../www/demo/public/", import.meta.url);
// Systems cut maskable icons to a circle or whatever they like: the mark keeps to the middle, on its ground.
const ICONS = [
  { name: "icon-192.png", size: 192, share: 1 },
  { name: "icon-512.png", size: 512, share: 1 },
  { name: "icon-maskable-512.png", size: 512, share: 0.8 },
];

const mark = await readFile(new URL("mark.svg", FOLDER), "utf8");
const ground = /<rect [^>]*fill="(#\w+)"/.exec(mark)?.[1];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
for (const { name, size, share } of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const inset = (size * (1 - share)) / 2;
  await page.setContent(`<style>html { background: ${share < 1 ? ground : "none"} } body { margin: ${inset}px } svg { display: block; width: ${size * share}px }</style>${mark}`);
  await page.screenshot({ path: new URL(name, FOLDER).pathname, omitBackground: true });
  await page.close();
}
await browser.close();
