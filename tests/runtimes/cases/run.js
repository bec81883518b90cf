// Runs one case: the same text in every runtime. What it gives is the last line; the process then has to end by itself.
import process from "node:process";
import * as cases from "./cases.js";

const [, , name, given] = process.argv;
console.log(JSON.stringify((await cases[name](JSON.parse(given))) ?? null));
