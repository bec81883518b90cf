// The modules in www/wasm are built from the crate. Where they have not been built yet, this says what they will be.
declare module "*/b158.js" {
  const init: import("./engine.js").WasmGlue["default"];
  export default init;
  export const Loader: import("./engine.js").WasmGlue["Loader"];
  export const Estimator: import("./engine.js").WasmGlue["Estimator"];
  export const joinPool: import("./engine.js").WasmGlue["joinPool"];
  export const workInPool: import("./engine.js").WasmGlue["workInPool"];
}
