// A service worker has no workers, and ends when it has nothing to do: an offscreen document holds the engine.
let opened = Promise.resolve();

chrome.runtime.onMessage.addListener((message, _sender, reply) => {
  if (message !== "engine") return false;
  const create = () => chrome.offscreen.createDocument({ url: "engine.html", reasons: ["WORKERS"], justification: "It runs the model." });
  opened = opened.then(create).catch(() => undefined); // it fails where the document is open
  opened.then(() => reply("open"));
  return true;
});
  opening.catch(() => undefined).then(() => reply("open")); // it fails where the document is open from before
  return true;
});
