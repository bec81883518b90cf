// The package in Node.js, Deno and Bun: the same cases in each, every one in a process of its own that must end by itself.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { faultServer } from "../../www/tests/fault-server.mjs";
import { BYTES, FORMS, MODEL, PINS, PROGRAM, ROOT, RUNTIMES, runCase, startCase, start, withCache } from "./runtimes.js";

const [PIN] = PINS;
const PART = 512 << 10;
const FIRST = PIN.ids.slice(0, 8);
const FILE = "/stories-I2_S.gguf";

let server;
let folder;
let split;
before(async () => {
  server = await faultServer({ [FILE]: BYTES });
  folder = await mkdtemp(join(tmpdir(), "b158-runtimes-"));
  await promisify(execFile)(PROGRAM, ["split", MODEL, "--max-size", "1M", "-o", join(folder, "stories")]);
  split = (await readdir(folder)).filter((name) => name.endsWith(".gguf")).sort().map((name) => join(folder, name));
  assert.ok(split.length > 1, `${split}`);
});
after(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Served as it should be, with requests counted from here. */
function served() {
  server.fault = () => undefined;
  server.requests.length = 0;
  return { url: server.url + FILE, prompt: PIN.prompt };
}

/** Answers stop in the middle of the second part, for as long as the server is not told otherwise. */
function stalled() {
  const given = served();
  server.fault = ({ range }) => {
    const begin = Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    return { stallAfter: Math.max(0, PART + 100_000 - begin) };
  };
  return given;
}

/** Resolves when the process has said something that fits. */
async function hears(running, pattern) {
  let over = false;
  void running.ended.then(() => (over = true));
  while (!pattern.test(running.said().out)) {
    if (over) throw new Error(`it has ended: ${running.said().out}${running.said().err}`);
    await Promise.race([running.ended, once(running.child.stdout, "data")]);
  }
}

for (const runtime of RUNTIMES) {
  describe(runtime.name, () => {
    const run = (name, given, options) => runCase(runtime, name, given, options);

    test("says the pinned ids, with one thread and with two", async () => {
      const { outcome, support } = await run("greedy", { pins: PINS, threads: [1, 2, "auto"] });
      for (const { found } of outcome) assert.deepEqual(found, PINS.map(({ ids }) => ids));
      const [one, two] = outcome.map(({ info }) => info);
      assert.deepEqual([one.threads, one.whySingleThreaded, two.threads, two.whySingleThreaded, two.notes], [1, "one thread was asked for", 2, undefined, []]);
      assert.deepEqual([support.simd, support.threads, support.opfs], [true, true, true]);
      assert.ok(one.backend.startsWith(support.relaxedSimd ? "relaxed" : "simd128"), one.backend);
      assert.ok(support.modelMemory > 0 && support.storage.usage >= 0);
    });

    test("takes paths, files, streams, parts and the folder of a checkpoint", async () => {
      const { found, checkpoint, estimate, checkpointEstimate } = await run("sources", { prompt: PIN.prompt, split, checkpoint: join(ROOT, "tests/golden/checkpoints/S1d") });
      for (const [source, { found: ids }] of Object.entries(found)) assert.deepEqual(ids, FIRST, source);
      assert.equal(checkpoint.found.length, 8);
      assert.equal(checkpointEstimate, "bitnet-b1.58");
      assert.deepEqual([estimate.fileBytes, estimate.fits], [BYTES.length, true]);
    });

    test("says what is wrong with a source", async () => {
      const found = await run("missing", { folder: import.meta.dirname });
      assert.deepEqual([found.file.code, found.address.code], ["io", "io"]);
      assert.match(found.file.message, /no such file\.gguf/);
      assert.match(found.folder.message, /holds no model/);
      assert.equal(found["no model"].code, "format");
      assert.equal(found.scheme.code, "network");
      for (const name of ["nothing", "bytes", "worker"]) assert.equal(found[name].code, "invalid-argument", `${name}: ${found[name].message}`);
    });

    test("has all of the interface", async () => {
      const found = await run("everything", { prompt: PIN.prompt, forms: FORMS, verifyPrompts: ["Once"] });
      assert.deepEqual(found.forms, FORMS.map(({ ids }) => ids));
      for (const length of found.embeddings.lengths) assert.ok(Math.abs(length - 1) < 1e-3, `${length}`);
      assert.deepEqual(found.sessions.map(({ text }) => text), Array(3).fill(found.sessions[0].text));
      assert.ok(found.sessions.every(({ cached }) => cached));
      assert.deepEqual([found.completion, found.streamed, found.tokens], [{ object: "chat.completion", tokens: 4 }, true, "Once upon a time"]);
      assert.deepEqual([found.roofline, found.stats, found.fake], [true, true, 3]);
      assert.equal(found.aborted.name, "AbortError");
      assert.deepEqual(found.after, PIN.ids.slice(0, 3));
      assert.deepEqual([found.disposed.code, found.used.code], ["disposed", "disposed"]);
      assert.match(JSON.stringify(found.report), { node: /Node\.js\/2\d/, "node-24": /Node\.js\/24/, deno: /Deno\/2/, bun: /Bun\/1/ }[runtime.name]);
    });

    test("ends by itself with a model that is idle", async () => {
      assert.deepEqual(await run("idle"), { threads: 2, text: 2 });
    });

    test("tells of a worker that has crashed", async () => {
      const found = await run("crash");
      for (const [how, words] of [["throw", /out of order/], ["exit", /the code 3/]]) {
        for (const { code, message } of Object.values(found[how])) {
          assert.equal(code, "worker-crashed");
          assert.match(message, words);
        }
      }
    });

    test("keeps what it downloads, and needs no server any more", () =>
      withCache(async (cache) => {
        const given = served();
        const first = await run("load", given, { cache });
        assert.deepEqual([first.found, first.cached, first.notes], [FIRST, false, []]);
        const [{ url, bytes, complete, name }] = first.listed;
        assert.deepEqual([url, bytes, complete, name], [given.url, BYTES.length, true, "stories-I2_S.gguf"]);
        server.fault = () => ({ status: 500 });
        server.requests.length = 0;
        const second = await run("load", { ...given, offline: true, sha256: await digest() }, { cache });
        assert.deepEqual([second.found, second.cached, second.notes, server.requests], [FIRST, true, [], []]);
        const other = await run("load", { ...given, offline: true, url: `${given.url}?other` }, { cache }).catch(({ message }) => message);
        assert.match(other, /not whole in the cache/);
        const { before, estimate, deleted, between, after: last, persisted } = await run("cache", {}, { cache });
        assert.equal(before.length, 1);
        assert.ok(estimate.persisted && estimate.usage >= BYTES.length && estimate.quota > estimate.usage);
        assert.deepEqual([deleted, between, last, persisted], [[true, false, false], 0, 0, true]);
        assert.deepEqual((await readdir(cache)).filter((name) => name !== "lock"), []);
      }));

    test("refuses a file that is another one", () =>
      withCache(async (cache) => {
        const message = await run("load", { ...served(), sha256: "0".repeat(64) }, { cache }).catch(({ message }) => message);
        assert.match(message, /has the SHA-256 .* not 0000/);
      }));

    test("goes on where a connection broke off", () =>
      withCache(async (cache) => {
        const given = served();
        server.fault = (_, index) => (index === 0 ? { cutAfter: PART + 5000, cutMs: 50 } : undefined);
        const { found, notes } = await run("load", { ...given, connections: 1 }, { cache });
        assert.deepEqual([found, notes], [FIRST, []]);
      }));

    test("goes on where it was killed, and leaves no lock behind", () =>
      withCache(async (cache) => {
        const given = stalled();
        const killed = startCase(runtime, "download", given, { cache });
        await written(cache, killed, /"part":0/);
        // Meanwhile another process has to do without.
        const besides = await run("load", { ...served(), ...given }, { cache });
        assert.deepEqual([besides.found, besides.cached], [FIRST, false]);
        assert.match(besides.notes.join(), /is downloading it/);
        const refused = await run("deleteAll", {}, { cache });
        assert.equal(refused.code, "storage");
        killed.child.kill("SIGKILL");
        await killed.ended;
        served();
        const { found, notes, listed } = await run("load", given, { cache });
        assert.deepEqual([found, notes, listed[0].complete], [FIRST, [], true]);
        const begins = server.requests.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0));
        assert.deepEqual(begins.filter((begin) => begin < PART), [], "what was there has been asked for again");
      }));

    test("lets go of a download that is given up", () =>
      withCache(async (cache) => {
        const given = stalled();
        const running = startCase(runtime, "abandoned", given, { cache, input: true });
        await written(cache, running, /"part":0/);
        running.child.stdin.write("stop\n");
        await hears(running, /given up/);
        served();
        running.child.stdin.end("go on\n");
        const { code, out, err } = await running.ended;
        assert.equal(code, 0, out + err);
        const { given: first, found, notes, listed } = JSON.parse(out.trim().split("\n").at(-1));
        assert.deepEqual([first.name, found, notes, listed[0].complete], ["AbortError", FIRST, [], true]);
      }));

    test("shares its cache with the native program, and heeds its locks", () =>
      withCache(async (cache) => {
        const given = served();
        const native = async (...args) => {
          const { code, out, err } = await start(PROGRAM, args, { cache }).ended;
          assert.equal(code, 0, err);
          return out;
        };
        await run("load", given, { cache });
        const [{ address, complete }] = JSON.parse(await native("models", "--json"));
        assert.deepEqual([address, complete], [given.url, true]);
        server.fault = () => ({ status: 500 });
        const ids = await native("run", "-m", given.url, "--offline", "-p", PIN.prompt, "--temp", "0", "-n", "8", "--ids", "-q");
        assert.deepEqual(ids.trim().split(" ").map(Number), FIRST);
        await native("models", "--clear");
        served();
        await native("pull", given.url, "-q");
        server.fault = () => ({ status: 500 });
        const found = await run("load", { ...given, offline: true }, { cache });
        assert.deepEqual([found.found, found.cached], [FIRST, true]);
        await native("models", "--clear");
        stalled();
        const pulling = start(PROGRAM, ["pull", given.url], { cache });
        await written(cache, pulling, /"head"/);
        served();
        const besides = await run("load", given, { cache });
        assert.match(besides.notes.join(), /is downloading it/);
        pulling.child.kill("SIGKILL");
        await pulling.ended;
      }));
  });
}

/** Resolves when the journal of a file says what fits; a process must be at it. */
async function written(cache, running, pattern) {
  let over = false;
  void running.ended.then(() => (over = true));
  while (!over) {
    for (const key of await readdir(cache).catch(() => [])) {
      if (pattern.test(await readFile(join(cache, key, "journal"), "utf8").catch(() => ""))) return;
    }
    await sleep(20);
  }
  throw new Error(`it has ended: ${running.said().out}${running.said().err}`);
}

const digest = async () => Buffer.from(await crypto.subtle.digest("SHA-256", BYTES)).toString("hex");
