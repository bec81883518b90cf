// A page of the extension: it shares the engine of the offscreen document, and is gone as soon as the person looks elsewhere.
import { load } from "./model.js";

const [form] = document.forms;
const { prompt, answer } = form.elements;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const model = await loading;
  answer.value = "";
  for await (const { text } of model.generate(prompt.value, { maxTokens: 60, temperature: 0 })) answer.value += text;
});

// First the document that stays, so that it is the one that holds the engine.
const said = await chrome.runtime.sendMessage("engine");
if (said !== "held") throw new Error(said);
const loading = load(({ phase, fraction }) => (answer.value = `${phase} ${Math.round(100 * (fraction ?? 0))} %`));
const { info } = await loading;
answer.value = `${info.name ?? info.architecture}, ${info.threads} threads`;
form.querySelector("button").disabled = false;
