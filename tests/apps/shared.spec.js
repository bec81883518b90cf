// One engine for all tabs, as the guide shows it: in two tabs, one after the other.
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

test("the guide's block shares the engine of another tab, and holds its own where there is none", async ({ shown, page, context, server }) => {
  const block = guideBlock("One engine for all tabs");
  const other = await context.newPage();
  await other.goto(server.url);
  const hold = () =>
    other.evaluate(async () => {
      const { BitNet } = await import("/lib/index.js");
      window.model = await BitNet.load("/models/stories-I2_S.gguf", { shared: true });
      return window.model.info.shared;
    });
  expect(await hold()).toBe("here");
  const [[where], ...guest] = await shown(block);
  expect(where).toBe("elsewhere");
  await other.close();
  await page.reload();
  const [[own], ...alone] = await shown(block);
  expect(own).toBe("here");
  expect(guest.join("")).not.toBe("");
  expect(alone).toEqual(guest);
});
