// `b158 chat` of the package, and what the guide shows, in every runtime.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { faultServer } from "../../www/tests/fault-server.mjs";
import { guideBlock } from "../../www/tests/guide.mjs";
import { WORK } from "./packed.js";
import { BYTES, MODEL, PROGRAM, RUNTIMES, start, withCache } from "./runtimes.js";

const FILE = "/stories-I2_S.gguf";
const CLI = join(WORK, "node_modules/b158/dist/lib/node/cli.js");
const SINGLE = ["-m", MODEL, "-n", "20", "-p", "Once upon a time", "--single-turn"];
/** A terminal of its own, in which the shell's command runs; keys come from standard input. */
const inTerminal = (command) => ["script", ["-qefc", command, "/dev/null"]];

let server;
before(async () => {
  server = await faultServer({ [FILE]: BYTES });
});
after(() => server?.close());

for (const { name, program, options } of RUNTIMES) {
  const chat = (args, more) => start(program, [...options, CLI, "chat", ...args], more);
  const quoted = (args) => [program, ...options, CLI, "chat", ...args].map((word) => `'${word}'`).join(" ");

  describe(name, () => {
    test("says what the native program says, greedy and drawn", async () => {
      for (const how of [["--temp", "0"], ["--seed", "7"], ["--temp", "1.2", "--top-k", "20", "--seed", "3", "--repeat-penalty", "1.1"]]) {
        const native = await start(PROGRAM, ["chat", ...SINGLE, ...how, "-q"]).ended;
        const { code, out, err } = await chat([...SINGLE, ...how, "-q"]).ended;
        assert.deepEqual([code, out, err], [0, native.out, ""]);
      }
    });

    test("talks through a pipe, line by line", async () => {
      const { code, out, err } = await chat(["-m", MODEL, "-n", "5", "--temp", "0", "--system", "Be brief."], { input: "Once upon a time\r\n\nb\xffd\n/clear\nThe fox" }).ended;
      assert.equal(code, 0, err);
      assert.equal(out.trimEnd().split("\n").length, 3);
      assert.match(err, /backend (simd128|relaxed)[\w-]*, \d thread/);
      assert.equal(err.match(/^prompt \d+ tokens.*generated \d+ .*;/gm).length, 3);
      const broken = await chat(["-m", MODEL, "-n", "5", "-q"], { input: Buffer.from([0xff, 0x0a]) }).ended;
      assert.deepEqual([broken.code, broken.out, broken.err], [0, "", "error: the line is not UTF-8: it is left out\n"]);
    });

    test("refuses a command line that makes no sense, and a file that is none", async () => {
      for (const [args, words] of [
        [[], /--model <FILE>/],
        [["-m", MODEL, "--temp", "hot"], /invalid value 'hot' for '--temp <X>': it is a number/],
        [["-m", MODEL, "-n", "-7"], /invalid value '-7'/],
        [["-m", MODEL, "--frobnicate"], /unexpected argument '--frobnicate' found/],
        [["-m", MODEL, "-q", "-q"], /cannot be used multiple times/],
        [["-m", MODEL, "-p", "x", "-f", "y"], /cannot be used with/],
        [["-m", MODEL, "--top-p\u001b[2J", "1"], /unexpected argument '--top-p\\x1b\[2J' found/],
      ]) {
        const { code, out, err } = await chat(args).ended;
        assert.deepEqual([code, out], [2, ""], err);
        assert.match(err, words);
      }
      const { code, err } = await chat(["-m", "no\u001b[2Jsuch.gguf"]).ended;
      assert.equal(code, 1);
      assert.match(err, /^error: .*no\\x1b\[2Jsuch\.gguf/);
      assert.equal((await chat(["--help"]).ended).code, 0);
    });

    test("downloads once, and says how far it is", () =>
      withCache(async (cache) => {
        server.fault = () => undefined;
        const args = ["-m", server.url + FILE, "-n", "3", "-p", "Once", "--single-turn"];
        const first = await chat(args, { cache }).ended;
        assert.equal(first.code, 0, first.err);
        assert.match(first.err, /^stories-I2_S\.gguf: 2\.2 MB in /m);
        server.fault = () => ({ status: 500 });
        assert.match((await chat([...args, "--offline"], { cache }).ended).err, /^stories-I2_S\.gguf: 2\.2 MB, from the cache$/m);
      }));

    test("is stopped by Ctrl-C, and by a second one ended", async () => {
      // Hot, it goes on for long.
      const talk = chat(["-m", MODEL, "--temp", "5"], { input: true });
      const says = async (where, pattern) => {
        let over = false;
        void talk.ended.then(() => (over = true));
        while (!pattern.test(talk.said()[where])) {
          if (over) throw new Error(`it has ended: ${talk.said().out}${talk.said().err}`);
          await Promise.race([talk.ended, once(talk.child.stdout, "data"), once(talk.child.stderr, "data")]);
        }
      };
      talk.child.stdin.write("Once upon a time\n");
      await says("out", /\w/);
      talk.child.kill("SIGINT");
      await says("err", /generated \d+.*; stopped$/m);
      talk.child.kill("SIGINT");
      assert.equal((await talk.ended).code, 130);
    });

    test("keeps what came before Ctrl-C", () =>
      withCache(async (cache) => {
        server.requests.length = 0;
        server.fault = () => ({ stallAfter: 100_000 });
        const loading = chat(["-m", server.url + FILE, "-p", "Once", "--single-turn"], { cache });
        while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
        loading.child.kill("SIGINT");
        const { code, err } = await loading.ended;
        assert.equal(code, 1, err);
        assert.match(err, /error: stopped; what has come is kept/);
      }));

    test("is a talk in a terminal", async () => {
      const [script, args] = inTerminal(`${quoted(["-m", MODEL, "--temp", "0"])}`);
      const talk = start(script, args, { input: true });
      const screen = () => talk.said().out;
      const shows = async (pattern) => {
        let over = false;
        void talk.ended.then(() => (over = true));
        while (!pattern.test(screen())) {
          if (over) throw new Error(`it has ended: ${screen()}`);
          await Promise.race([talk.ended, once(talk.child.stdout, "data")]);
        }
      };
      await shows(/Type a message/);
      await shows(/> /);
      talk.child.stdin.write("Once upon a time\r");
      await shows(/generated \d+/);
      await shows(/generated[^]*> /);
      talk.child.stdin.write("not this\u0003");
      await shows(/not this[^]*> /);
      talk.child.stdin.write("\u0004");
      const { code } = await talk.ended;
      assert.equal(code, 0, screen());
      assert.equal(screen().match(/generated \d+/g).length, 1);
    });

    test("runs what the guide shows", () =>
      withCache(async (cache) => {
        server.fault = () => undefined;
        await mkdir(join(WORK, "guide"), { recursive: true });
        const file = join(WORK, "guide", `${name}.mjs`);
        await writeFile(file, `const source = ${JSON.stringify(server.url + FILE)};\nconst show = (...what) => console.log(JSON.stringify(what));\n${guideBlock("Node.js, Deno and Bun")}`);
        const { code, out, err } = await start(program, [...options, file], { cache }).ended;
        assert.equal(code, 0, err);
        const [how, [story], cached] = out.trim().split("\n").map((line) => JSON.parse(line));
        assert.match(how[0], /^(simd128|relaxed)/);
        assert.match(story, /^, there was a/);
        assert.deepEqual(cached, ["stories-I2_S.gguf", BYTES.length, true]);
      }));
  });
}
