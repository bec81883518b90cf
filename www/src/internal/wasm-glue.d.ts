// The modules in www/wasm are built from the crate. Where they have not been built yet, this says what they will be.
declare module "*/b158.js" {
  type WasmGlue = import("./builds.js").WasmGlue;
  const init: WasmGlue["default"];
  export default init;
  export const serve: WasmGlue["serve"];
  export const joinPool: WasmGlue["joinPool"];
  export const workInPool: WasmGlue["workInPool"];
}

declare module "*/grammar.js" {
  type GrammarGlue = import("./builds.js").GrammarGlue;
  const init: GrammarGlue["default"];
  export default init;
  export const Vocabulary: GrammarGlue["Vocabulary"];
  export const __wbg_reset_state: GrammarGlue["__wbg_reset_state"];
}
