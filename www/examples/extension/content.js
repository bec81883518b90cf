// In every page: what is selected when Alt+G is pressed is gone on with, and the page sees the text as an event.
addEventListener("keydown", async ({ altKey, code }) => {
  const prompt = String(getSelection());
  if (!altKey || code !== "KeyG" || prompt === "") return;
  await chrome.runtime.sendMessage("engine");
  const port = chrome.runtime.connect();
  let text = "";
  port.onMessage.addListener((said) => {
    text += said.text ?? "";
    if (said.error !== undefined) console.error(said.error);
    if (said.end === undefined) return;
    port.disconnect();
    document.dispatchEvent(new CustomEvent("b158", { detail: text }));
  });
  port.postMessage({ prompt, options: { maxTokens: 60, temperature: 0 } });
});
