// LangChain.js as the guide has it: ChatOpenAI, asked for more than the guide shows; and OpenAI's own client by the same way.
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

test("LangChain writes, streams, answers by a schema and calls tools; errors name what is wrong, and an abort ends it", async ({ page, app }) => {
  await page.evaluate(() => Object.assign(window, { show: () => undefined }));
  await app("pages/langchain.js", `${guideBlock("LangChain.js")}\nexport { answer, chat, model };\n`);
  const found = await page.evaluate(async () => {
    const { chat, client, model, HumanMessage, ToolMessage, tool, z } = window;
    const outcome = (promise) => promise.then((value) => ({ value }), ({ name, message }) => ({ name, message }));
    const ask = "Tell me of a fox.";
    const { choices } = await model.chat.completions.create({ messages: [{ role: "user", content: ask }] });
    const invoked = await chat.invoke(ask);
    const pieces = [];
    for await (const piece of await chat.stream(ask)) pieces.push(piece.text);
    const batch = await chat.batch([ask, "Hi"]);
    const object = await chat.withStructuredOutput(z.object({ name: z.string().max(9), legs: z.literal([2, 4]) }), { method: "jsonSchema", name: "animal" }).invoke("A fox as JSON");
    const find = tool(({ place }) => `a fox in the ${place}`, { name: "find", description: "Finds a fox", schema: z.object({ place: z.enum(["wood", "field"]) }) });
    const called = await chat.bindTools([find], { tool_choice: "find", parallel_tool_calls: false }).invoke("Find a fox");
    const given = await find.invoke(called.tool_calls[0]);
    const after = await chat.bindTools([find], { tool_choice: "none" }).invoke([new HumanMessage("Find a fox"), called, given]);
    const wrong = await outcome(chat.bindTools([find], { tool_choice: "lose" }).invoke(ask));
    const tooLong = await outcome(chat.invoke("fox ".repeat(600)));
    const aborted = await outcome(chat.invoke(ask, { signal: AbortSignal.abort() }));
    const stop = new AbortController();
    const streamed = await outcome(
      (async () => {
        for await (const _ of await chat.stream(ask, { signal: stop.signal })) stop.abort();
      })(),
    );
    const request = { model: "b158", messages: [{ role: "user", content: ask }] };
    const client1 = await client.chat.completions.create(request);
    const stream = client.chat.completions.stream(request);
    const client2 = await stream.finalContent();
    const refused = await client.chat.completions.create({ ...request, temperature: -1 }).catch(({ status, error }) => ({ status, error }));
    const again = await chat.invoke(ask);
    await model.dispose();
    return {
      said: choices[0].message.content,
      invoked: { text: invoked.text, usage: invoked.usage_metadata, reason: invoked.response_metadata.finish_reason },
      pieces,
      batch: batch.map(({ text }) => text),
      object,
      calls: called.tool_calls,
      given: given instanceof ToolMessage ? given.content : typeof given,
      after: after.text,
      wrong,
      tooLong,
      aborted,
      streamed,
      again: again.text,
      client: [client1.choices[0].message.content, client2],
      refused,
    };
  });
  const { said } = found;
  expect(found.invoked).toMatchObject({ text: said, usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) }, reason: "stop" });
  expect(found.pieces.join("")).toBe(said);
  expect(found.pieces.length).toBeGreaterThan(3);
  expect(found.batch).toEqual([said, expect.stringMatching(/\w/)]);
  expect(found.object).toEqual({ name: expect.any(String), legs: expect.any(Number) });
  expect(found.calls).toMatchObject([{ name: "find", id: expect.stringMatching(/^call_/) }]);
  expect(found.given).toBe(`a fox in the ${found.calls[0].args.place}`);
  expect(found.after).toMatch(/\w/);
  expect(found.wrong.message).toContain("`lose`");
  expect(found.tooLong.message).toMatch(/context/);
  for (const { name, message } of [found.aborted, found.streamed]) expect(`${name} ${message}`).toMatch(/abort/i);
  expect([found.again, ...found.client]).toEqual([said, said, said]);
  expect(found.refused).toMatchObject({ status: 400, error: { code: "invalid-argument", message: expect.stringContaining("temperature") } });
});
