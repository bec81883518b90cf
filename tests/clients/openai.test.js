// The official client of npm against a server of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = process.env.B158_PROGRAM ?? `${ROOT}/target/debug/b158`;
const messages = [{ role: "user", content: "Tell me a story about a fox." }];
const PLAIN = { messages, temperature: 0, max_tokens: 24 };
// Everything has a bound, so that the answer has an end.
const Weather = z.object({ sky: z.enum(["clear", "cloudy", "rain"]), windy: z.boolean(), words: z.array(z.enum(["warm", "wet"])).max(2) });
/** A test that fails leaves its server, which would keep this process. */
const running = new Set();
const City = z.object({ city: z.enum(["Oslo", "Lima"]) });

/** `b158 serve`, once it has said where it listens. */
async function serve(args, environment = {}) {
  const child = spawn(PROGRAM, ["serve", "--port", "0", ...args], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...environment } });
  const said = [];
  const port = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) resolve(Number(found[1]));
    });
    child.on("exit", (code) => reject(new Error(`b158 serve ended with ${code}:\n${said.join("\n")}`)));
  });
  running.add(child);
  const root = `http://127.0.0.1:${port}`;
  const ended = new Promise((resolve) => child.on("exit", resolve));
  // It listens before the model is loaded, and says 503 till then.
  while (!(await fetch(`${root}/health`)).ok);
  return { root, baseURL: `${root}/v1`, end: () => (child.kill("SIGTERM"), ended) };
}

let server, client, model;
before(async () => {
  server = await serve(["-m", `${ROOT}/tests/models/stories-I2_S.gguf`]);
  client = new OpenAI({ baseURL: server.baseURL, apiKey: "none", maxRetries: 0 });
  model = (await client.models.list()).data[0].id;
});
after(async () => {
  const code = await server?.end();
  for (const child of running) child.kill("SIGKILL");
  assert.equal(code, 0);
});

const ask = (fields = {}) => client.chat.completions.create({ model, ...PLAIN, ...fields });

test("chat, and the same text streamed", async () => {
  const whole = await ask();
  const text = whole.choices[0].message.content;
  assert.ok(text);
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
  let joined = "";
  let usage;
  for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) {
    joined += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(joined, text);
  assert.equal(usage.total_tokens, whole.usage.total_tokens);
});

test("the client's own reader of streams", async () => {
  const deltas = [];
  const stream = client.chat.completions.stream({ model, ...PLAIN }).on("content", (delta) => deltas.push(delta));
  const final = await stream.finalChatCompletion();
  assert.equal(deltas.join(""), final.choices[0].message.content);
  assert.equal(final.choices[0].message.content, (await ask()).choices[0].message.content);
  assert.equal(await stream.finalContent(), deltas.join(""));
});

test("an answer of a schema, parsed", async () => {
  const fields = { model, messages, max_tokens: 150, response_format: zodResponseFormat(Weather, "weather") };
  for (const temperature of [0, 1, 2]) {
    const answer = await client.chat.completions.parse({ ...fields, temperature, seed: 3 });
    assert.ok(Weather.parse(answer.choices[0].message.parsed));
  }
  const streamed = await client.chat.completions.stream({ ...fields, temperature: 0 }).finalChatCompletion();
  assert.ok(Weather.parse(streamed.choices[0].message.parsed));
  await assert.rejects(client.chat.completions.parse({ ...fields, max_tokens: 3 }), OpenAI.LengthFinishReasonError ?? /length/);
});

test("calls of tools, whole and streamed", async () => {
  const tools = [zodFunction({ name: "look_up", description: "Looks the weather up.", parameters: City })];
  const fields = { model, messages, tools, tool_choice: "required", parallel_tool_calls: false, max_tokens: 150, temperature: 0 };
  const whole = await client.chat.completions.parse(fields);
  assert.equal(whole.choices[0].finish_reason, "tool_calls");
  assert.ok(City.parse(whole.choices[0].message.tool_calls[0].function.parsed_arguments));
  const streamed = await client.chat.completions.stream(fields).finalChatCompletion();
  const calls = (answer) => answer.choices[0].message.tool_calls.map((call) => call.function.arguments);
  assert.deepEqual(calls(streamed), calls(whole));
});

test("the client runs a tool and goes on", async () => {
  const asked = [];
  const run = (args) => (asked.push(args), "clear");
  const tools = [{ type: "function", function: { name: "look_up", description: "Looks the weather up.", function: run, parse: JSON.parse, parameters: z.toJSONSchema(City) } }];
  const named = { type: "function", function: { name: "look_up" } };
  const runner = client.chat.completions.runTools({ model, messages, tools, tool_choice: named, max_tokens: 150, temperature: 0 });
  assert.equal(await runner.finalFunctionToolCallResult(), "clear");
  assert.ok(City.parse(asked[0]));
});

test("models, completions, embeddings", async () => {
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
  const fields = { model, prompt: "Once upon a time", temperature: 0, max_tokens: 16 };
  const whole = await client.completions.create(fields);
  let joined = "";
  for await (const chunk of await client.completions.create({ ...fields, stream: true })) joined += chunk.choices[0]?.text ?? "";
  assert.equal(joined, whole.choices[0].text);
  const embedder = await serve(["-m", `${ROOT}/tests/golden/family/E1.gguf`]);
  const embeddings = new OpenAI({ baseURL: embedder.baseURL, apiKey: "none", maxRetries: 0 }).embeddings;
  const found = await embeddings.create({ model: "any", input: ["A fox sat in the park.", "Once upon a time"] });
  assert.equal(found.data.length, 2);
  const length = Math.hypot(...found.data[1].embedding);
  assert.ok(Math.abs(length - 1) < 1e-4, `${length}`);
  assert.equal(await embedder.end(), 0);
});

test("errors are the client's own classes", async () => {
  const refused = await ask({ temperature: "hot" }).catch((error) => error);
  assert.ok(refused instanceof OpenAI.BadRequestError);
  assert.match(`${refused.param} ${refused.message}`, /temperature/);
  assert.equal(refused.type, "invalid_request_error");
  await assert.rejects(ask({ temperature: "hot", stream: true }), OpenAI.BadRequestError);
  const long = await ask({ messages: [{ role: "user", content: "fox ".repeat(2000) }] }).catch((error) => error);
  assert.equal(long.code, "context_length_exceeded");
  await assert.rejects(client.post("/nothing", { body: {} }), OpenAI.NotFoundError);
  const guarded = await serve(["-m", `${ROOT}/tests/models/stories-I2_S.gguf`], { B158_API_KEY: "a-secret" });
  const stranger = new OpenAI({ baseURL: guarded.baseURL, apiKey: "a-guess", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  assert.equal(await guarded.end(), 0);
});

test("an answer that is aborted ends at the server too", async () => {
  const fields = { model, messages, temperature: 2, max_tokens: 450, stream: true };
  const stream = await client.chat.completions.create(fields);
  for await (const _ of stream) stream.controller.abort();
  const abort = new AbortController();
  const asked = client.chat.completions.create({ ...fields, stream: false }, { signal: abort.signal });
  abort.abort();
  await assert.rejects(asked, OpenAI.APIUserAbortError);
  // /metrics has no event to wait for.
  while (!/^b158_slots_busy 0$/m.test(await (await fetch(`${server.root}/metrics`)).text()));
});
