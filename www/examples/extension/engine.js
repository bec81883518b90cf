// The offscreen document: it holds the engine, and answers pages of the web, which can't load it themselves.
import { load } from "./model.js";

const model = load();

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
