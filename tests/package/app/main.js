// The whole program of each fixture: loads the model, writes, and leaves what happened for the test to read.
import { BitNet } from "b158";

async function run() {
  const query = new URLSearchParams(location.search);
  const workerUrl = query.get("workerUrl") ?? undefined;
  const model = await BitNet.load("./stories-I2_S.gguf", { threads: 2, workerUrl });
  const ids = [];
  for await (const { id } of model.generate(query.get("prompt"), { temperature: 0, maxTokens: 60 })) {
    if (id !== undefined) ids.push(id);
  }
  // The module that holds answers to a form comes now.
  const { text: formed } = await model.generate("Once", { responseFormat: { type: "json_schema", schema: { const: ["a fox"] } } }).result();
  const { threads, backend, whySingleThreaded, notes } = model.info;
  await model.dispose();
  return { ids, formed, threads, backend, whySingleThreaded, notes };
}

document.body.dataset.result = JSON.stringify(await run().catch(({ name, code, message }) => ({ name, code, message })));
