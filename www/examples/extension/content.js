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
    if (error !== undefined) console.error(error);
    if (end === undefined) return;
    port.disconnect();
    document.dispatchEvent(new CustomEvent("b158", { detail: text }));
  });
  port.postMessage({ prompt, options: { maxTokens: 60, temperature: 0 } });
});
