// Which part of the engine a sample belongs to, and what is written about all samples: a table and folded stacks.
// A sample is { frames: [innermost function, ..., outermost], microseconds }.

// By the innermost frame that one of these knows: what a kernel calls counts as the kernel's.
const PARTS = [
  ["ternary matrices", /kernels::(ternary|tables)|ternary::Dots|ternary_(sums|matmul)|::table_/],
  ["head", /int8|kernels::dense|dense_matmul|::logits|last_logits/],
  ["attention", /attention|Kernels>::attend|softmax|add_scaled|kv_cache|KvCache|rope|f16_to_f32|f32_to_f16|thread::local::LocalKey/i],
  ["norms, quantising, activation", /rms_norm|norm_rows|quantize|max_abs|relu2|silu|gated|Activations|Kernels>::(add|sum)\b/],
  ["sampling", /sampler|Sampler/],
];
// Where none of a sample's frames is known: what was left of a caller after inlining.
const CALLERS = [
  ["ternary matrices", /ScaledLinear::apply/],
  ["attention", /Kernels>::dot\b/],
];
const REST = "rest";

/** The name without crate, hash, and arguments of generics, which fill a graph and tell nothing. */
export function tidy(name) {
  let text = name.replace(/\\([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  text = text.replace(/(::h[0-9a-f]{16}|\[[0-9a-f]{16}\])/g, "").replace(/\s*\(\.[^)]*\)$/, "");
  const implementation = /^<([^<>]+) as ([^<>]+)>::(.+)$/.exec(text);
  if (implementation !== null) {
    const [, type, , method] = implementation;
    text = `${type}::${method}`;
  }
  return text.replace(/\bb158::/g, "").replaceAll(";", ",");
}

function part(frames) {
  for (const parts of [PARTS, CALLERS]) {
    for (const frame of frames) {
      const known = parts.find(([, names]) => names.test(frame));
      if (known !== undefined) return known[0];
    }
  }
  return REST;
}

/** Markdown: milliseconds a token and share of each part, a column a phase. `phases`: { name, tokens, samples }. */
export function table(phases) {
  const rows = new Map([...PARTS.map(([name]) => name), REST].map((name) => [name, phases.map(() => 0)]));
  phases.forEach(({ tokens, samples }, phase) => {
    for (const { frames, microseconds } of samples) rows.get(part(frames))[phase] += microseconds / 1000 / tokens;
  });
  const totals = phases.map((_, phase) => [...rows.values()].reduce((sum, row) => sum + row[phase], 0));
  const cell = (value, phase) => `${value.toFixed(value < 10 ? 2 : 1)} (${((value / totals[phase]) * 100).toFixed(1)} %)`;
  const line = (name, values) => `| ${[name, ...values].join(" | ")} |`;
  return [
    line("ms a token", phases.map(({ name }) => name)),
    line("---", phases.map(() => "---")),
    ...[...rows].map(([name, values]) => line(name, values.map(cell))),
    line("all", totals.map((total) => `${total.toFixed(1)}, ${(1000 / total).toFixed(1)} tok/s`)),
  ].join("\n");
}

/** Stacks for inferno-flamegraph, outermost first under phase and part, in microseconds a token; the thinnest left out. */
export function folded(phases) {
  const lines = [];
  for (const { name, tokens, samples } of phases) {
    const stacks = new Map();
    let total = 0;
    for (const { frames, microseconds } of samples) {
      const stack = [name, part(frames), ...frames.toReversed().map(tidy)].join(";");
      stacks.set(stack, (stacks.get(stack) ?? 0) + microseconds / tokens);
      total += microseconds / tokens;
    }
    for (const [stack, cost] of stacks) if (cost > total / 2000) lines.push(`${stack} ${Math.round(cost)}`);
  }
  return `${lines.join("\n")}\n`;
}
