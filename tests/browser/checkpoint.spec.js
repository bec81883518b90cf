// Checkpoints and folders in a real browser: through the package, from every kind of source, and through the page as a person opens them.
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as demoTest, expect, expectClean, shot } from "./demo.js";
import { test as packageTest } from "./package.js";

const FOLDER = new URL("../golden/checkpoints/", import.meta.url).pathname;
const TEXTS = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
const WHOLE = [...TEXTS, "model.safetensors"];
const SHARDS = [...TEXTS, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"];
const CHECKPOINTS = Object.fromEntries(["S1a", "S1b", "S1c", "S1d"].map((name) => [name, (name === "S1d" ? SHARDS : WHOLE).map((file) => `${name}/${file}`)]));

packageTest.describe("a checkpoint", () => {
  packageTest.beforeEach(async ({ page }) => {
    await page.evaluate(() => {
      window.files = (paths) =>
        Promise.all(paths.map(async (path) => new File([await (await fetch(`/checkpoints/${path}`)).arrayBuffer()], path.split("/").at(-1))));
    });
  });

  packageTest("opens as it is, and says what its estimate said", async ({ page }) => {
    const found = await page.evaluate(async (checkpoints) => {
      const { BitNet, say } = window.lab;
      const all = {};
      for (const [name, paths] of Object.entries(checkpoints)) {
        const files = await window.files(paths);
        const estimate = await BitNet.estimate(files, { contextLength: 64 });
        const progress = [];
        const model = await BitNet.load(files, { contextLength: 64, threads: 2, onProgress: (one) => progress.push(one) });
        const said = await say(model, new Uint32Array([1, 2, 3]), { temperature: 0, maxTokens: 20 });
        all[name] = { estimate, info: model.info, progress, said };
        await model.dispose();
      }
      return all;
    }, CHECKPOINTS);
    for (const { estimate, info, progress, said } of Object.values(found)) {
      for (const field of ["architecture", "parameters", "quantization", "contextLength", "weightBytes", "kvCacheBytes", "kvCache"]) expect(estimate[field], field).toBe(info[field]);
      expect(info.notes).toEqual([]);
      expect(info.cached).toBeUndefined();
      expect(progress.at(-1)).toMatchObject({ phase: "ready", loaded: estimate.fileBytes, fraction: 1, cached: false });
      expect(progress.filter(({ phase }) => phase === "download").at(-1)).toMatchObject({ loaded: estimate.fileBytes, total: estimate.fileBytes });
      expect(said.length).toBeGreaterThan(0);
    }
    expect(found.S1d.said).toEqual(found.S1a.said);
    expect(found.S1a.info.architecture).toBe("bitnet-b1.58");
    expect(found.S1c.info.architecture).toBe("llama");
  });

  packageTest("may be a folder's handle, and what lies deeper is left alone", async ({ page }) => {
    const found = await page.evaluate(async (paths) => {
      const { BitNet, say } = window.lab;
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("checkpoint", { create: true });
      const below = await folder.getDirectoryHandle("original", { create: true });
      const write = async (folder, file) => {
        const writable = await (await folder.getFileHandle(file.name, { create: true })).createWritable();
        await writable.write(file);
        await writable.close();
      };
      const files = await window.files(paths);
      for (const file of files) await write(folder, file);
      await write(below, new File(["not this one"], "consolidated.safetensors"));
      const outcome = [];
      const names = [];
      for (const source of [folder, files]) {
        const model = await BitNet.load(source, { threads: 1 });
        outcome.push(await say(model, "Hello", { temperature: 0, maxTokens: 8 }));
        names.push(model.info.name);
        await model.dispose();
      }
      return { outcome, names };
    }, CHECKPOINTS.S1a);
    expect(found.names).toEqual(["checkpoint", undefined]);
    expect(found.outcome[0]).toEqual(found.outcome[1]);
    expect(found.outcome[0].length).toBeGreaterThan(0);
  });

  packageTest("ends with its signal, and with an error that names the file", async ({ page }) => {
    const found = await page.evaluate(async (paths) => {
      const { BitNet } = window.lab;
      const files = await window.files(paths);
      const end = (source, options) => BitNet.load(source, { threads: 1, ...options }).then(() => "loaded", ({ name, code, message }) => ({ name, code, message }));
      const stop = new AbortController();
      const weights = files.find(({ name }) => name === "model.safetensors");
      const cut = new File([weights.slice(0, weights.size - 1)], weights.name);
      const others = files.filter((file) => file !== weights);
      return {
        aborted: await end(files, { signal: stop.signal, onProgress: ({ phase }) => phase === "download" && stop.abort() }),
        cut: await end([...others, cut]),
        alone: await end(weights),
        twice: await end([...files, ...files]),
        digest: await end(files, { sha256: "0".repeat(64) }),
      };
    }, CHECKPOINTS.S1b);
    expect(found.aborted).toMatchObject({ name: "AbortError" });
    expect(found.cut).toMatchObject({ code: "format", message: expect.stringContaining("model.safetensors") });
    expect(found.alone).toMatchObject({ code: "format", message: expect.stringContaining("config.json") });
    expect(found.twice).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("two files are called") });
    expect(found.digest).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("sha256") });
  });
});

/** Folders as people have them. */
const test = demoTest.extend({
  folders: async ({}, use) => {
    const root = await mkdtemp(join(tmpdir(), "b158-"));
    const llama = join(root, "tiny-llama");
    await cp(join(FOLDER, "S1c"), llama, { recursive: true });
    await writeFile(join(llama, "README.md"), "# A tiny one\n");
    await mkdir(join(llama, "original"));
    await writeFile(join(llama, "original", "consolidated.safetensors"), "not this one");
    const photos = join(root, "Photos");
    await mkdir(photos);
    await writeFile(join(photos, "fox.jpg"), "no model");
    const stories = join(root, "stories");
    await mkdir(stories);
    await cp(new URL("../models/stories-I2_S.gguf", import.meta.url).pathname, join(stories, "stories.gguf"));
    await writeFile(join(stories, "config.json"), "{}");
    await use({ llama, photos, stories });
    await rm(root, { recursive: true });
  },

  /** Drops what lies on the disk, as a person does: what a script makes has no entries. */
  drop: async ({ page, tab }, use) => {
    await use(async (...files) => {
      const data = { items: [], files, dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver", "drop"]) await tab.devTools.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
      await expect(page.locator("#drop")).toBeHidden();
    });
  },
});

test.describe("a folder", () => {
  test("is chosen", async ({ demo, folders }) => {
    await demo.openPicker();
    await demo.get("folder").setInputFiles(folders.llama);
    await demo.shows("model-name", /tiny-llama/);
    await demo.ready();
    expect((await demo.write("Hello", { temperature: 0, "max-tokens": 8 })).length).toBeGreaterThan(0);
    await expect(demo.get("notes")).toBeHidden();
    // The same once more.
    await demo.openPicker();
    await demo.get("folder").setInputFiles(folders.stories);
    await demo.shows("model-name", /stories/i);
    await demo.ready();
  });

  test("is dropped", async ({ demo, folders, drop }) => {
    await drop(folders.llama);
    await demo.shows("model-name", /tiny-llama/);
    await demo.ready();
    await drop(folders.stories);
    await demo.shows("model-name", /stories/i);
    await demo.ready();
  });

  test("is opened by keyboard", async ({ demo, page, folders }) => {
    // The browser hands choosers over from here on: asked for together with the key, it may be too late.
    const chosen = page.waitForEvent("filechooser");
    await demo.openPicker();
    await demo.get("file").focus();
    await page.keyboard.press("Tab");
    await expect(demo.get("folder")).toBeFocused();
    await expect(page.locator("#folder-label span")).toHaveCSS("outline-style", "solid");
    await page.keyboard.press("Space");
    const chooser = await chosen;
    await chooser.setFiles(folders.llama);
    await demo.shows("model-name", /tiny-llama/);
    await demo.ready();
  });

  test("without a model says what it has, and the model that was there stays", async ({ demo, page, folders, drop }) => {
    for (const open of [() => drop(folders.photos), () => demo.get("folder").setInputFiles(folders.photos)]) {
      await demo.openPicker();
      await open();
      await demo.refused("invalid-argument");
      await expect(demo.get("load-error")).toContainText('The folder "Photos" holds no model, neither a GGUF file nor a checkpoint (config.json, tokenizer.json and *.safetensors): it has "fox.jpg".');
      await page.evaluate(() => delete document.querySelector("[data-testid=load-error]").dataset.code);
    }
    await drop(folders.photos, folders.llama);
    await demo.refused("invalid-argument");
    await expect(demo.get("load-error")).toContainText("drop that alone");
    await demo.ready();
    await expectClean(page);
  });
});

test("the files of a checkpoint are chosen and dropped without their folder", async ({ demo, folders, drop }) => {
  const files = WHOLE.map((name) => join(folders.llama, name));
  await drop(...files);
  await demo.shows("model-name", /a checkpoint of 5 files/);
  await demo.ready();
  await demo.openPicker();
  await demo.get("file").setInputFiles(files.filter((file) => !file.endsWith("tokenizer.json")));
  await demo.refused("format");
  await expect(demo.get("load-error")).toContainText("tokenizer.json: the tokenizer: it is missing");
});

test("the picker looks as it should in light, in dark and on a phone", async ({ demo, page }) => {
  await demo.openPicker();
  for (const [name, colorScheme, width, height] of [
    ["light", "light", 1280, 900],
    ["dark", "dark", 1280, 900],
    ["phone", "light", 360, 740],
  ]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    await demo.get("folder").scrollIntoViewIfNeeded();
    await expectClean(page);
    // Nothing leaves its card.
    const wide = await page.evaluate(() => {
      const picker = document.querySelector("[data-testid=picker]");
      const { right } = picker.getBoundingClientRect();
      return [...picker.querySelectorAll("*")].filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > right + 1).map(({ tagName, textContent }) => `${tagName} ${textContent}`);
    });
    expect(wide).toEqual([]);
    await page.screenshot({ path: shot(`folder-${name}`), fullPage: true });
  }
});

