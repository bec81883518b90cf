// What the other tests here stand on: the package runs in a page that a bundler made, from its exports.
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

test("a block of the guide runs in a page", async ({ shown }) => {
  const block = guideBlock("Answers a program can use");
  expect(await shown(block)).toEqual([[{ name: expect.any(String), legs: expect.any(Number) }]]);
});
