// The parts of the page that need no browser.
import type { Estimate } from "b158";
import { describe, expect, it, vi } from "vitest";
import { copied, withSettings } from "../demo/address-bar.js";
import { exportFile, type Written } from "../demo/export.js";
import { byAddress, CATALOGUE, choiceOf } from "../demo/choices.js";
import { Conversation } from "../demo/conversation.js";
import { complaint } from "../demo/fields.js";
import * as format from "../demo/format.js";
import { describe as offer } from "../demo/offer.js";
import { lines } from "../demo/offered-models.js";

const SAMPLING = { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1, maxTokens: 400, seed: 7 };

describe("a conversation", () => {
  it("takes back from the last message of a role on", () => {
    const conversation = new Conversation();
    for (const word of ["a", "b"]) {
      conversation.add("user", word);
      conversation.add("assistant", word.toUpperCase());
    }
    const whole = conversation.messages;
    expect(conversation.takeBack("assistant")).toBe("B");
    expect(conversation.messages.map(({ content }) => content)).toEqual(["a", "A", "b"]);
    expect(conversation.takeBack("user")).toBe("b");
    expect(conversation.question).toBe("a");
    expect(whole).toHaveLength(4); // what was handed out stays
    conversation.messages = [];
    expect(conversation.takeBack("user")).toBeUndefined();
    expect(conversation.empty).toBe(true);
  });

  it("has the system prompt first, and only where there is one", () => {
    const conversation = new Conversation();
    conversation.add("user", "a");
    expect(conversation.prompt).toEqual([{ role: "user", content: "a" }]);
    conversation.system = "s";
    expect(conversation.prompt).toEqual([
      { role: "system", content: "s" },
      { role: "user", content: "a" },
    ]);
  });
});

describe("what is taken away", () => {
  const conversation: Written = { model: "m", sampling: SAMPLING, content: { messages: [{ role: "user", content: "<b>Hi</b>\n" }, { role: "assistant", content: "Ho" }] } };
  const story: Written = { model: "m", sampling: SAMPLING, content: { prompt: "Once", text: " upon <i>" } };

  it("is a request of OpenAI's API", () => {
    const { name, content } = exportFile(conversation, "json");
    expect(name).toBe("b158-chat.json");
    expect(JSON.parse(content)).toEqual({
      model: "m",
      messages: [
        { role: "user", content: "<b>Hi</b>\n" },
        { role: "assistant", content: "Ho" },
      ],
      temperature: 0.7,
      top_k: 40,
      top_p: 0.95,
      min_p: 0.05,
      repeat_penalty: 1,
      max_tokens: 400,
      seed: 7,
    });
    expect(JSON.parse(exportFile(story, "json").content)).toMatchObject({ prompt: "Once", choices: [{ index: 0, text: " upon <i>" }] });
  });

  it("is Markdown without HTML, and plain text as it was", () => {
    expect(exportFile(conversation, "markdown").content).toBe("*m, temperature 0.7, seed 7*\n\n**You:**\n\n&lt;b>Hi&lt;/b>\n\n**Model:**\n\nHo\n");
    expect(exportFile(story, "markdown").content).not.toContain("<");
    expect(exportFile(story, "text")).toEqual({ name: "b158-story.txt", type: "text/plain", content: "Once upon <i>\n" });
  });
});

describe("the address", () => {
  const ADDRESS = "http://localhost/demo/?from=elsewhere#seed=1";

  it("has what is set behind the #, and nothing else", () => {
    expect(withSettings(ADDRESS, [["seed", undefined], ["prompt", undefined]])).toEqual({ url: "http://localhost/demo/?from=elsewhere", leftOut: [] });
    for (const prompt of ["A cat & a dog", "#=?&%20+", "日本語\n", "<b>", ""]) {
      const { url } = withSettings(ADDRESS, [["prompt", prompt], ["seed", undefined], ["top_k", "5"]]);
      const { hash, search } = new URL(url);
      expect([...new URLSearchParams(hash.slice(1))]).toEqual([["prompt", prompt], ["top_k", "5"]]);
      expect(search).toBe("?from=elsewhere"); // what is shared goes to no server
    }
  });

  it("has no room for a book, and says so", () => {
    const settings = (length: number) => [["seed", "1"], ["prompt", "a".repeat(length)], ["system", "b".repeat(9000)]] as const;
    const most = withSettings(ADDRESS, settings(4000));
    expect(most.leftOut).toEqual(["system"]);
    expect(most.url.length).toBeGreaterThan(4000);
    const { url, leftOut } = withSettings(ADDRESS, settings(4001));
    expect(url).toBe("http://localhost/demo/?from=elsewhere#seed=1");
    expect(copied(leftOut)).toBe("Copied; too long for it: prompt, system");
    expect(copied([])).toBe("Copied");
  });
});

describe("a number field", () => {
  const field = (value: string, { min = "", max = "", step = "1" }, badInput = false) => {
    const number = value === "" ? NaN : Number(value);
    const validity = { badInput, rangeUnderflow: min !== "" && number < Number(min), rangeOverflow: max !== "" && number > Number(max) };
    return complaint({ value, min, max, step, valueAsNumber: number, validity: validity as ValidityState });
  };

  it("is content with what has sense", () => {
    for (const value of ["", "0", "0.75", "5"]) expect(field(value, { min: "0", max: "5", step: "0.1" })).toBeUndefined();
    for (const value of ["", "0", "40", "9007199254740991"]) expect(field(value, { min: "0" })).toBeUndefined();
  });

  it("says what else it wants", () => {
    expect(field("", {}, true)).toBe("This is not a number");
    for (const value of ["99", "-0.1"]) expect(field(value, { min: "0", max: "5", step: "0.1" })).toBe("It must be a number from 0 to 5");
    for (const value of ["1.5", "-1", "9007199254740992"]) expect(field(value, { min: "0" })).toBe("It must be a whole number, 0 or more");
    expect(field("100000", { min: "1", max: "65536" })).toBe("It must be a whole number from 1 to 65,536");
    expect(field("0.5", {})).toBe("It must be a whole number");
  });
});

describe("an offer", () => {
  const ESTIMATE = { fileBytes: 1_187_801_280, name: "BitNet b1.58 2B-4T", parameters: 2_412_820_480, contextLength: 4096, weightBytes: 850_000_000, kvCacheBytes: 314_572_800, wasmBytes: 902_000_000, fits: true } as Estimate;

  it("says what a model costs", () => {
    expect(offer("x.gguf", ESTIMATE, undefined, 5e9)).toEqual({
      title: "BitNet b1.58 2B-4T",
      facts: "2.4 B parameters · context of 4,096 tokens",
      costs: [
        ["To download", "1.19 GB"],
        ["Memory", "about 902 MB: 850 MB of weights, up to 315 MB for the context"],
        ["Room on this device", "5 GB"],
      ],
      warnings: [],
      accept: "Download and load",
    });
    const { name: _, fileBytes: __, ...unnamed } = ESTIMATE;
    const { title, costs } = offer("x.gguf", unnamed, undefined, undefined);
    expect([title, costs[0]?.[1], costs.length]).toEqual(["x.gguf", "its server does not say how much", 2]);
  });

  it("counts what is here already", () => {
    const part = offer("x.gguf", ESTIMATE, { bytes: 500_000_000 }, 700e6);
    expect(part.costs[0]?.[1]).toBe("688 MB: 500 MB of 1.19 GB are here");
    expect([part.accept, part.warnings]).toEqual(["Download the rest", []]);
    expect(offer("x.gguf", ESTIMATE, undefined, 700e6).warnings).toEqual(["It is larger than the room that the browser gives: it will run, but can't be kept for the next time."]);
  });

  it("of what will hardly fit is not urged on anybody", () => {
    const { warnings, accept } = offer("x.gguf", { ...ESTIMATE, fits: false, why: "it needs 5.2 GB, and a tab has 4 GB at most" }, undefined, undefined);
    expect(warnings).toEqual(["It will hardly fit: it needs 5.2 GB, and a tab has 4 GB at most. A smaller context under Advanced needs less."]);
    expect(accept).toBe("Try it all the same");
    expect(offer("x.gguf", { ...ESTIMATE, fits: false }, undefined, 1e9).warnings).toHaveLength(2);
    const tight = offer("x.gguf", { ...ESTIMATE, kvCache: "q8_0", why: "the model needs 1.1 GiB, more than half of this device's memory" }, undefined, undefined);
    expect(tight.warnings).toEqual(["It may be too much for this device: the model needs 1.1 GiB, more than half of this device's memory."]);
    expect([tight.costs[1]?.[1], tight.accept]).toEqual(["about 902 MB: 850 MB of weights, up to 315 MB for the context, in 8 bits", "Download and load"]);
  });
});

describe("an offered model", () => {
  const official = CATALOGUE.find(({ id }) => id === "official");
  if (!official) throw new Error("it is not offered");

  it("says what it costs, and takes 8 bits where only that fits", () => {
    const roomy = lines(official, undefined);
    expect(roomy).toEqual({
      facts: "ternary · Microsoft · MIT",
      costs: "1.19 GB to download once · up to 1.21 GB of memory, 315 MB of it for 4,096 tokens of context",
      warning: undefined,
    });
    expect(lines(official, official.memoryBytes)).toEqual(roomy);
    const narrow = lines(official, official.memoryBytes - 1);
    expect(narrow.costs).toContain("up to 1.06 GB of memory, 162 MB of it for 4,096 tokens of context, held in 8 bits");
    expect(narrow.warning).toBeUndefined();
    expect(lines(official, official.leastMemoryBytes - 1).warning).toBe("Likely too much for this device, where a model may take about 1.06 GB.");
  });

  it("has an address that the address bar and the package know, but for the page's own", () => {
    for (const offered of CATALOGUE) {
      const choice = choiceOf(offered);
      expect(choice.name).toBe(offered.name);
      if (offered.id === "embedded") expect(choice.address).toBeUndefined();
      else expect(byAddress(offered.address)).toEqual(choice);
    }
    expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(CATALOGUE.length);
    expect(CATALOGUE.every(({ address }) => /^(?:hf:[\w.-]+\/[\w.-]+\/[\w.-]+\.gguf|\.\/models\/)/.test(address))).toBe(true);
  });
});

describe("numbers in words", () => {
  it("are short and have a unit", () => {
    expect([999, 2_182_592, 45_600_000, 1_187_801_280].map(format.bytes)).toEqual(["1 kB", "2.2 MB", "46 MB", "1.19 GB"]);
    expect([3.456, 34.56, 1234.5].map(format.rate)).toEqual(["3.46", "34.6", "1,235"]);
    expect([1.23, 456.7, 12_345].map(format.milliseconds)).toEqual(["1.2 ms", "457 ms", "12.3 s"]);
    expect([0.4, 59, 61].map(format.timeLeft)).toEqual(["less than a second left", "59 s left", "1 min 1 s left"]);
    expect([1, 1024].map(format.tokens)).toEqual(["1 token", "1,024 tokens"]);
    expect([2_412_820_480, 7_000_000].map(format.parameters)).toEqual(["2.4 B parameters", "7 M parameters"]);
    vi.useFakeTimers({ now: new Date(2026, 2, 1, 0, 30), toFake: ["Date"] });
    const days = [new Date(2026, 2, 1), new Date(2026, 1, 28, 23, 59), new Date(2026, 1, 1)].map(format.day);
    vi.useRealTimers();
    expect(days).toEqual(["today", "yesterday", "28 days ago"]);
  });
});
