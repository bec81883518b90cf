import "@fontsource-variable/hanken-grotesk/wght.css";
import "@fontsource-variable/literata/wght.css";
import { BitNet } from "b158";
import { AddressBar, copied } from "./address-bar.js";
import { Check } from "./check.js";
import { byId, copy, setText } from "./dom.js";
import { markFields } from "./fields.js";
import { ModelPanel } from "./model-panel.js";
import { setUpServiceWorker } from "./service-worker.js";
import { setUpReset } from "./settings.js";
import { setUpTheme } from "./theme.js";
import { Writer } from "./writer.js";

declare global {
  interface Window {
    /** For the console, and for tests. */
    b158: { readonly BitNet: typeof BitNet; readonly model: BitNet | undefined };
  }
}

setUpTheme();
markFields();
setUpReset();
const check = new Check();
const writer = new Writer({
  changed: () => {
    addressBar.changed();
  },
  reload: () => {
    panel.reload();
  },
});
const panel = new ModelPanel((state) => {
  writer.use(state);
  check.use(state);
  addressBar.changed();
}, isolate());
const addressBar = new AddressBar(writer.shared, panel.shared);
window.b158 = {
  BitNet,
  get model() {
    return panel.model;
  },
};

byId("copy-link").addEventListener("click", () => {
  const { url, leftOut } = addressBar.write();
  void copy(url, byId("copy-link"), copied(leftOut));
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // what stands behind the # are settings
  byId("prompt").focus();
});

async function isolate(): Promise<void> {
  const why = await setUpServiceWorker();
  if (why !== undefined) setText("isolation", `This page tries to make itself cross-origin isolated, which threads need, but ${why}.`);
}
