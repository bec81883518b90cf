// A service worker has no workers, and ends when it has nothing to do: an offscreen document holds the engine.
let opened = Promise.resolve();

async function open() {
  const [found] = await chrome.runtime.getContexts({ contextTypes: ["OFFSCREEN_DOCUMENT"] });
  if (!found) await chrome.offscreen.createDocument({ url: "engine.html", reasons: ["WORKERS"], justification: "It runs the model." });
  return chrome.runtime.sendMessage("hold"); // answered when the document has begun to load the model
}

chrome.runtime.onMessage.addListener((message, _sender, reply) => {
  if (message !== "engine") return false;
  opened = opened.then(open, open);
  opened.then(reply, (error) => reply(error.message));
  return true;
});
