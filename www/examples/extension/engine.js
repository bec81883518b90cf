// The offscreen document: it holds the engine, and answers pages of the web, which can't load it themselves.
import { load } from "./model.js";

let model;
let begun;

/** Again, where it has failed before. */
function hold() {
  begun = new Promise((resolve) => (model = load(resolve)));
  model.catch(() => (model = undefined));
}

chrome.runtime.onMessage.addListener((message, _sender, reply) => {
  if (message !== "hold") return false;
  if (!model) hold();
  Promise.race([begun, model]).then(() => reply("held"), (error) => reply(error.message));
  return true;
});

chrome.runtime.onConnect.addListener((port) => {
  port.onMessage.addListener(async ({ prompt, options }) => {
    const gone = new AbortController();
    port.onDisconnect.addListener(() => gone.abort());
    try {
      const generation = (await model).generate(prompt, { ...options, signal: gone.signal });
      for await (const { text } of generation) port.postMessage({ text });
      port.postMessage({ end: (await generation.result()).finishReason });
    } catch (error) {
      if (!gone.signal.aborted) port.postMessage({ error: error.message });
    }
  });
});
