// The offscreen document: it holds the engine, and answers pages of the web, which can't load it themselves.
import { load } from "./model.js";

let model;
const begun = new Promise((resolve) => (model = load(resolve)));

chrome.runtime.onMessage.addListener((message, _sender, reply) => {
  if (message !== "hold") return false;
  Promise.race([begun, model]).then(() => reply("held"), (error) => reply(error.message));
  return true;
});

chrome.runtime.onConnect.addListener((port) => {
  port.onMessage.addListener(async ({ prompt, options }) => {
    try {
      const generation = (await model).generate(prompt, options);
      port.onDisconnect.addListener(() => generation.cancel());
      for await (const { text } of generation) port.postMessage({ text });
      port.postMessage({ end: (await generation.result()).finishReason });
    } catch (error) {
      port.postMessage({ error: error.message });
    }
  });
});
