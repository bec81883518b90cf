// What the page is served with, in one place: serve.mjs sends it, vite.config.ts also writes the policy into the page for hosts
// that let nobody choose headers.

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "manifest-src 'self'",
  // Any server, since a person may name the address of a model.
  "connect-src 'self' https: http:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Cross-origin isolation, which shared memory needs. */
export const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

export const HEADERS = {
  ...ISOLATION,
  "content-security-policy": `${CONTENT_SECURITY_POLICY}; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  // Ask each time whether it is still the same; a new build is seen at once.
  "cache-control": "no-cache",
};
