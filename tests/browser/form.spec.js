import { expect, expectClean, shot, test } from "./demo.js";

const SCHEMA = {
  type: "object",
  properties: { name: { type: "string", minLength: 1, maxLength: 8 }, legs: { enum: [2, 4] }, "a,b": { type: "array", items: { enum: ["{", "\\\"}"] }, minItems: 2, maxItems: 2 } },
  required: ["name", "legs", "a,b"],
  additionalProperties: false,
};
const PIP = "Once upon a time, there was a brave fox named Pip.";

test.describe("an answer as JSON", () => {
  test("keeps to the schema, laid out and coloured", async ({ demo, page }) => {
    await demo.get("form-summary").click();
    await demo.get("form").selectOption("schema");
    await demo.get("schema").fill(JSON.stringify(SCHEMA));
    const shown = await demo.write(PIP, { seed: 3, "max-tokens": 200 });
    const value = JSON.parse(shown);
    expect(Object.keys(value)).toEqual(["name", "legs", "a,b"]);
    expect([2, 4]).toContain(value.legs);
    expect(value["a,b"].every((each) => ["{", '\\"}'].includes(each))).toBe(true);
    // One thing a line, two spaces a level.
    expect(shown.split("\n").map((line) => /^ */.exec(line)[0].length)).toEqual([0, 2, 2, 2, 4, 4, 2, 0]);
    const coloured = (kind) => demo.said.locator(`.json-${kind}`).allTextContents();
    expect(await coloured("key")).toEqual(['"name"', '"legs"', '"a,b"']);
    expect(await coloured("number")).toEqual([String(value.legs)]);
    await expect(demo.outcome).toContainText("Ended by itself");
    await page.screenshot({ path: shot("form-light"), fullPage: true });
    await expectClean(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: shot("form-dark"), fullPage: true });
    await expectClean(page);
  });

  test("says what is wrong with a schema: of JSON while it is typed, of the schema when it is asked for", async ({ demo, page }) => {
    await demo.get("form-summary").click();
    await demo.get("form").selectOption("schema");
    await demo.get("schema").fill('{"type": ');
    await demo.visible("schema-complaint");
    await demo.get("schema").fill('{"type": "strng"}');
    await demo.visible("schema-complaint", false);
    await demo.start(PIP);
    await demo.shows("run-error", /strng/);
    // Nothing is lost by it.
    await demo.get("schema-examples").getByText("A list").click();
    const list = JSON.parse(await demo.write(PIP, { seed: 1, "max-tokens": 200 }));
    expect(list).toHaveLength(3);
    await page.setViewportSize({ width: 390, height: 800 });
    await page.screenshot({ path: shot("form-phone"), fullPage: true });
    await expectClean(page);
  });

  test("is part of a link, and a talk's answers keep their colours", async ({ demo, page }) => {
    await demo.chat();
    await demo.get("form-summary").click();
    await demo.get("form").selectOption("object");
    await demo.shows("form-summary", "Answer as JSON: any object");
    const said = await demo.write("Who are you?", { seed: 1, "max-tokens": 120 });
    const outcome = await demo.outcome.textContent();
    // An object without a bound may be cut.
    if (outcome.includes("Ended by itself")) expect(typeof JSON.parse(said)).toBe("object");
    else expect(said).toMatch(/^\{/);
    await expect.poll(() => page.evaluate(() => location.hash)).toContain("form=object");
    await demo.reload();
    await demo.shows("form-summary", "Answer as JSON: any object");
  });
});
