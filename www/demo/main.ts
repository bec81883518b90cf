import "@fontsource-variable/hanken-grotesk/wght.css";
import "@fontsource-variable/literata/wght.css";
import { BitNet } from "b158";
import { Check } from "./check.js";
import { setUpTheme } from "./theme.js";
import { ModelPanel } from "./model-panel.js";
import { Writer } from "./writer.js";

declare global {
  interface Window {
    /** For the console, and for tests. */
    b158: { readonly BitNet: typeof BitNet; readonly model: BitNet | undefined };
  }
}

setUpTheme();
const writer = new Writer();
const check = new Check();
const panel = new ModelPanel((state) => {
  writer.use(state);
  check.use(state);
});
window.b158 = {
  BitNet,
  get model() {
    return panel.model;
  },
};
void panel.loadEmbedded();
