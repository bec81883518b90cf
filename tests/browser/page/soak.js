// A long run in the page: `window.soak`. One hash over every id and every bit of its log probability, so that backends compare.
const { load, random, ENDLESS } = window.lab;

/** FNV-1a over 32-bit words, twice with other seeds: for accidents, not for forgers. */
function hash() {
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  const float = new Float64Array(1);
  const words = new Uint32Array(float.buffer);
  const word = (value) => {
    a = Math.imul(a ^ value, 0x01000193);
    b = Math.imul((b << 5 | b >>> 27) ^ value, 0x85ebca6b);
  };
  return {
    token(id, logProbability) {
      float[0] = logProbability;
      word(id);
      word(words[0]);
      word(words[1]);
    },
    text: () => [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join(""),
  };
}

/**
 * At least so many tokens, in answers of up to the context's end: some go on from the text before (whose begin has to go then:
 * the context is shifted), some in a session of their own. What the next is, a seed decides.
 */
window.soak = async (tokens, options) => {
  const model = await load(options);
  const sum = hash();
  const next = random(158);
  const below = (n) => Math.floor(next() * n);
  const used = [];
  let done = 0;
  let answers = 0;
  let session = await model.session();
  let text = [];
  while (done < tokens) {
    const kind = below(4);
    if (kind === 0) {
      await session.dispose();
      session = await model.session();
      text = [];
    } else if (kind === 1) {
      await session.reset();
      text = [];
    }
    // The context is full: what is oldest goes.
    if (text.length > 380) text = text.slice(-128);
    const prompt = text.length === 0 ? await model.tokenize("Once upon a time, there was a small dog.") : Uint32Array.from(text);
    text = [...prompt];
    const sampling = { maxTokens: 40 + below(90), temperature: 0.9, seed: below(2 ** 31), logProbabilities: true, ...ENDLESS };
    for await (const { id, logProbability } of session.generate(prompt, sampling)) {
      if (id === undefined) continue;
      sum.token(id, logProbability);
      text.push(id);
      done++;
    }
    if (answers++ % 4 === 0) used.push((await model.stats()).wasmBytes);
  }
  const { backend, threads } = model.info;
  await model.dispose();
  return { backend, threads, tokens: done, answers, hash: sum.text(), wasmBytes: used };
};
