// The programs of a release, as they come out of their archives, run on the systems and processors that they are for: `./build.sh dist`.
// B158_DIST is the folder with the archives' contents, WINE the program that runs Windows' programs.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { copyFileSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const MODEL = "tests/models/stories-I2_S.gguf";
const PINS = JSON.parse(readFileSync(join(ROOT, "tests/models/greedy.json"), "utf8"));
const FORMS = JSON.parse(readFileSync(join(ROOT, "tests/models/forms.json"), "utf8"));
const VERSION = JSON.parse(readFileSync(join(ROOT, "www/package.json"), "utf8")).version;
const { B158_DIST, WINE } = process.env;
assert.ok(B158_DIST && WINE, "B158_DIST and WINE say what is to be run: ./build.sh dist sets them");

/** The fastest backend of this machine. */
const here = () => {
  const flags = new Set(/^flags\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))[1].split(" "));
  if (["avx512f", "avx512bw", "avx512vl", "avx512_vnni"].every((flag) => flags.has(flag))) return "avx512";
  return flags.has("avx2") ? "avx2" : "scalar";
};
const program = (target, name, before, backend, brief = false) => {
  const system = target.includes("windows") ? "windows" : "linux";
  return { name, file: join(B158_DIST, `b158-${VERSION}-${target}`, system === "windows" ? "b158.exe" : "b158"), before, system, backend, brief };
};
/** `before` runs the file; `brief`: only what depends on the processor. */
const PROGRAMS = [
  program("x86_64-unknown-linux-musl", "Linux on x86-64", [], here()),
  program("x86_64-unknown-linux-musl", "Linux on x86-64 with AVX2 alone", ["qemu-x86_64-static", "-cpu", "max"], "avx2", true),
  program("x86_64-unknown-linux-musl", "Linux on x86-64 without AVX2", ["qemu-x86_64-static", "-cpu", "Nehalem"], "scalar", true),
  program("aarch64-unknown-linux-musl", "Linux on AArch64 with dotprod", ["qemu-aarch64-static", "-cpu", "max"], "neon-dotprod"),
  program("aarch64-unknown-linux-musl", "Linux on AArch64 without dotprod", ["qemu-aarch64-static", "-cpu", "cortex-a53"], "neon", true),
  program("x86_64-pc-windows-gnu", "Windows on x86-64", [WINE], here()),
];

// A folder as people have them, with what a console's code page would spoil.
const FOLDER = join(mkdtempSync(join(tmpdir(), "b158-dist-")), "Märchen мир 物語");
mkdirSync(FOLDER);
after(() => rmSync(join(FOLDER, ".."), { recursive: true, force: true }));

/** What the program's system calls a file of this one. */
const named = (program, path) => (program.system === "windows" ? `Z:${path.replaceAll("/", "\\")}` : path);

/** Nothing of this environment but what runs the program: Wine takes arguments in the locale's code. */
const environment = (extra = {}) => {
  const kept = Object.fromEntries(["WINEPREFIX", "WINEDEBUG", "WINEDLLOVERRIDES"].flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : [])));
  return { ...kept, LC_ALL: "C.UTF-8", ...extra };
};

const running = new Set();
after(() => running.forEach((child) => child.kill("SIGKILL")));

function start(program, args, extra = {}) {
  const [command, ...rest] = [...program.before, program.file, ...args];
  const child = spawn(command, rest, { cwd: ROOT, env: environment(extra), stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  const said = { out: "", err: "", more: new EventEmitter(), over: false };
  for (const [stream, name] of [[child.stdout, "out"], [child.stderr, "err"]]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said[name] += text;
      said.more.emit("more");
    });
  }
  // One that ends before it has read everything.
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(([code, signal]) => {
    running.delete(child);
    said.over = true;
    said.more.emit("more");
    return { out: said.out, err: said.err, code, signal };
  });
  return { child, said, ended };
}

async function run(program, args, { input = "", env = {}, fails = false } = {}) {
  const { child, ended } = start(program, args, env);
  child.stdin.end(input);
  const end = await ended;
  assert.equal(end.code, fails ? 1 : 0, `${args.join(" ")} ended with ${end.code ?? end.signal}: ${end.err}`);
  return end;
}

/** Waits until it has said this, on either way. */
async function says({ said }, wanted) {
  while (!wanted.test(said.out + said.err)) {
    assert.ok(!said.over, `it ended without ${wanted}: ${said.out}${said.err}`);
    await once(said.more, "more");
  }
  return wanted.exec(said.out + said.err);
}

const ids = (text) => text.trim().split(" ").map(Number);

/** What `verify` found, of the first program that was asked: the others are held to it. */
let verified;

for (const program of PROGRAMS) {
  describe(program.name, { timeout: 1_200_000 }, () => {
    if (program.system === "windows") {
      // A program that stays, and with it what Wine runs beside the first one: that would be begun anew for each test, and hold its pipes.
      let session;
      before(async () => {
        session = spawn(WINE, ["cmd"], { env: environment(), stdio: ["pipe", "pipe", "ignore"] });
        await once(session.stdout, "data");
      });
      after(() => {
        session.stdin.end("exit\r\n");
        session.stdout.destroy();
      });
    }

    const pins = program.brief ? PINS.slice(0, 1) : PINS;

    it("names its backend, and says the pinned ids", async () => {
      for (const pin of pins) {
        const { out, err } = await run(program, ["run", "-m", MODEL, "-p", pin.prompt, "--temp", "0", "-n", String(pin.ids.length), "--ids"]);
        assert.match(err, new RegExp(`backend ${program.backend},`));
        assert.deepEqual(ids(out), pin.ids);
      }
    });

    if (program.brief) return;

    it("needs nothing that a bare system does not have", async () => {
      if (program.system === "windows") {
        const headers = execFileSync("objdump", ["-p", program.file], { encoding: "utf8", maxBuffer: 1 << 28 });
        const needed = [...headers.matchAll(/DLL Name: (\S+)/g)].map(([, name]) => name.toLowerCase());
        const system = /^(advapi32|bcrypt|bcryptprimitives|crypt32|kernel32|msvcrt|ntdll|ole32|secur32|shell32|user32|userenv|ws2_32|api-ms-win-[a-z0-9-]+)\.dll$/;
        assert.ok(needed.length > 0);
        assert.deepEqual(needed.filter((name) => !system.test(name)), []);
      } else {
        const read = (option) => execFileSync("readelf", [option, "-W", program.file], { encoding: "utf8" });
        assert.doesNotMatch(read("-l"), /INTERP/);
        assert.doesNotMatch(read("-d"), /NEEDED/);
        // A root folder with the program and a model in it, and what emulates its processor.
        const root = join(FOLDER, "..", program.name.replaceAll(/\W+/g, "-"));
        mkdirSync(root);
        copyFileSync(join(ROOT, MODEL), join(root, "model.gguf"));
        copyFileSync(program.file, join(root, "b158"));
        const [emulator, ...options] = program.before;
        if (emulator) copyFileSync(execFileSync("which", [emulator], { encoding: "utf8" }).trim(), join(root, "emulator"));
        const inside = [...(emulator ? ["/emulator", ...options] : []), "/b158", "run", "-m", "/model.gguf", "-p", PINS[0].prompt, "--temp", "0", "-n", "60", "--ids"];
        const out = execFileSync("unshare", ["--map-root-user", "chroot", root, ...inside], { encoding: "utf8", env: { PATH: process.env.PATH }, stdio: ["ignore", "pipe", "inherit"] });
        assert.deepEqual(ids(out), PINS[0].ids);
      }
    });

    it("says which version it is", async () => {
      assert.equal((await run(program, ["--version"])).out, `b158 ${VERSION}\n`);
    });

    it("samples, and keeps to a form, as everywhere", async () => {
      for (const { prompt, format, temperature, seed, ids: pinned } of FORMS) {
        const grammar = join(FOLDER, "form.lark");
        if (format.grammar) writeFileSync(grammar, format.grammar);
        const form = { json_schema: ["-j", format.schema], regex: ["--regex", format.pattern], lark: ["--grammar", named(program, grammar)] }[format.type];
        const { out } = await run(program, ["run", "-m", MODEL, "-p", prompt, ...form, "--temp", String(temperature), "-s", String(seed), "-n", "100", "--ids"]);
        assert.deepEqual(ids(out), pinned);
      }
    });

    it("writes, and finds, files under any name", async () => {
      const model = join(FOLDER, "Geschichte – 1.gguf");
      copyFileSync(join(ROOT, MODEL), model);
      const packed = join(FOLDER, `${program.name} packed.gguf`);
      await run(program, ["pack", named(program, model), "-o", named(program, packed)]);
      // What is there stays, unless it may be replaced.
      const { err } = await run(program, ["pack", named(program, model), "-o", named(program, packed)], { fails: true });
      assert.match(err, /--force/);
      await run(program, ["pack", named(program, model), "-o", named(program, packed), "--force"]);
      const { out } = await run(program, ["run", "-q", "-m", named(program, packed), "-p", PINS[0].prompt, "--temp", "0", "-n", "60", "--ids"]);
      assert.deepEqual(ids(out), PINS[0].ids);
      const missing = await run(program, ["run", "-m", named(program, join(FOLDER, "нет.gguf")), "-p", "x"], { fails: true });
      assert.match(missing.err, /^error: .*нет\.gguf/m);
      // The same by its place from here, in the system's way to write it.
      const near = program.system === "windows" ? MODEL.replaceAll("/", "\\") : `./${MODEL}`;
      await run(program, ["inspect", near]);
    });

    it("pull: over TLS into the cache, and from there without a network", async () => {
      const pem = join(ROOT, "tests/cli/localhost.pem");
      const model = readFileSync(join(ROOT, MODEL));
      let asked = 0;
      const server = createServer({ key: readFileSync(pem), cert: readFileSync(pem) }, (request, answer) => {
        asked += 1;
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
        if (from === undefined) return void answer.writeHead(200, { "content-length": model.length, "accept-ranges": "bytes" }).end(model);
        const part = model.subarray(Number(from), Number(to) + 1);
        answer.writeHead(206, { "content-range": `bytes ${from}-${Number(from) + part.length - 1}/${model.length}`, "content-length": part.length, etag: '"1"' }).end(part);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = `https://localhost:${server.address().port}/stories.gguf`;
      const env = { B158_CACHE: named(program, join(FOLDER, `cache of ${program.name}`)), SSL_CERT_FILE: named(program, pem) };
      const { out } = await run(program, ["pull", "--json", address], { env });
      assert.ok(asked > 0);
      server.close();
      server.closeAllConnections();
      await once(server, "close");
      const [{ path, sha256 }] = JSON.parse(out);
      assert.equal(sha256, createHash("sha256").update(model).digest("hex"), out);
      assert.ok(path.startsWith(env.B158_CACHE), path);
      const offline = await run(program, ["run", "-q", "--offline", "-m", address, "-p", PINS[0].prompt, "--temp", "0", "-n", "60", "--ids"], { env });
      assert.deepEqual(ids(offline.out), PINS[0].ids);
      await run(program, ["models", "--clear"], { env });
      assert.doesNotMatch((await run(program, ["models"], { env })).out, /stories/);
    });

    it("verify: the ten answers that the others give", async () => {
      const folder = join(FOLDER, `verify of ${program.name}`);
      await run(program, ["verify", "-m", MODEL, "-n", "60", "--out", named(program, folder)]);
      const found = JSON.parse(readFileSync(join(folder, "metrics.json"), "utf8")).prompts.map((answer) => answer.ids);
      assert.equal(found.length, 10);
      verified ??= found;
      assert.deepEqual(found, verified);
    });

    it("chat: lines as the system ends them, text that is not ASCII", async () => {
      const end = program.system === "windows" ? "\r\n" : "\n";
      const input = ["What color is the sky?", "Was ist „größer“: 5 € oder 物?", "What color is the sky?", ""].join(end);
      const { out, err } = await run(program, ["chat", "-m", MODEL, "--temp", "0", "-n", "40"], { input });
      assert.doesNotMatch(err, /error/);
      assert.match(out, /^The sky is blue\.\n/);
      assert.doesNotMatch(out, /\r|�/);
    });

    it("text keeps its bytes on the way through", async () => {
      const text = "größer – 物語 🙂";
      const { out } = await run(program, ["run", "-q", "-m", MODEL, "-p", text, "-n", "0", "--echo"]);
      assert.equal(out, `${text}\n`);
      const tokens = await run(program, ["tokenize", "-q", "-m", MODEL], { input: text });
      assert.deepEqual(ids(tokens.out).length > 10, true);
    });

    it("Ctrl-C ends the answer, not the program's good manners", async () => {
      const telling = start(program, ["run", "-m", MODEL, "-p", PINS[0].prompt, "--temp", "0.7", "--ignore-eos", "-n", "400", "-c", "512"]);
      telling.child.stdin.end();
      await says(telling, /fox|Pip/);
      telling.child.kill("SIGINT");
      const { code, err } = await telling.ended;
      assert.equal(code, 0, err);
      assert.match(err, /; stopped/);
    });

    it("serve: a completion, and an end by Ctrl-C", async () => {
      const server = start(program, ["serve", "-m", MODEL, "--port", "0"]);
      server.child.stdin.end();
      const [, address] = await says(server, /listening at (http:\S+).*\n/);
      assert.match(server.said.err, new RegExp(`backend ${program.backend},`));
      assert.equal((await fetch(`${address}/health`)).status, 200);
      assert.match(await (await fetch(`${address}/`)).text(), /b158-engine/, "the page is not in the program");
      const answer = await fetch(`${address}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "any", prompt: PINS[0].prompt, max_tokens: PINS[0].ids.length, temperature: 0 }),
      });
      const completion = await answer.json();
      assert.equal(answer.status, 200, JSON.stringify(completion));
      assert.equal(completion.choices[0].text, PINS[0].text);
      server.child.kill("SIGINT");
      const { code, err } = await server.ended;
      assert.equal(code, 0, err);
    });

    it("an option that is none ends it with 2, and bad news is on standard error alone", async () => {
      const { child, ended } = start(program, ["run", "--dance"]);
      child.stdin.end();
      const { code, out, err } = await ended;
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, /--dance/);
    });
  });
}
