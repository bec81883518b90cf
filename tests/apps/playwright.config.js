import browser from "../browser/playwright.config.js";

export default { ...browser, testDir: ".", outputDir: "results/traces" };
