// In every page: what is selected when Alt+G is pressed is gone on with, and the page sees the text as an event.
addEventListener("keydown", async ({ altKey, code }) => {
  const prompt = String(getSelection());
  if (!altKey || code !== "KeyG" || prompt === "") return;
  const said = await chrome.runtime.sendMessage("engine");
  if (said !== "held") throw new Error(said);
  const port = chrome.runtime.connect();
  let text = "";
  port.onMessage.addListener(({ text: more = "", error, end }) => {
    text += more;
    if (end === undefined && error === undefined) return;
    port.disconnect();
    document.dispatchEvent(new CustomEvent("b158", { detail: error ?? text }));
  });
  port.postMessage({ prompt, options: { maxTokens: 60, temperature: 0 } });
});
