// The native program's server, with the page that was built.
import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

const PROGRAM = process.env.B158_PROGRAM ?? at("../../target/debug/b158");
const MODEL = at("../models/stories-I2_S.gguf");
const PAGE = at("../../www/dist/demo");

/** Makes a model of random weights, slow enough to be stopped in the middle of an answer. */
export function slowModel(path) {
  const shape = "--preset tiny --layers 24 --embedding 768 --heads 12 --kv-heads 6 --feed-forward 2304 --context 4096";
  execFileSync(PROGRAM, ["synth", ...shape.split(" "), "-o", path], { stdio: "ignore" });
  return path;
}

/** Starts it on a free port; it has ended once `stop` has been awaited. */
export async function serveProgram(...options) {
  const model = options.includes("-m") ? [] : ["-m", MODEL];
  const port = options.includes("--port") ? [] : ["--port", "0"];
  const { B158_API_KEY: _, ...env } = process.env;
  const program = spawn(PROGRAM, ["serve", ...model, ...port, "--page", PAGE, ...options], { env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => program.once("close", resolve));
  let said = "";
  const url = await new Promise((resolve, reject) => {
    program.once("error", reject);
    program.once("close", (code) => reject(new Error(`b158 serve ended with ${code}:\n${said}`)));
    program.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const [, found] = /listening at (http:\/\/\S+)/.exec(said) ?? [];
      // By the name that makes its pages secure contexts in every browser.
      if (found) resolve(`http://localhost:${new URL(found).port}/`);
    });
  });
  return {
    url,
    /** What the program has told. */
    said: () => said,
    /** At once, in the middle of an answer too. */
    stop: async () => {
      program.kill("SIGKILL");
      await ended;
    },
  };
}
