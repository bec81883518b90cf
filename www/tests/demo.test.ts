// The parts of the page that need no browser.
import { describe, expect, it } from "vitest";
import { exportFile, type Written } from "../demo/export.js";
import { Talk } from "../demo/talk.js";

const SAMPLING = { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1, maxTokens: 400, seed: 7 };

describe("a talk", () => {
  it("takes back from the last message of a role on", () => {
    const talk = new Talk();
    for (const word of ["a", "b"]) {
      talk.add("user", word);
      talk.add("assistant", word.toUpperCase());
    }
    const whole = talk.messages;
    expect(talk.takeBack("assistant")).toBe("B");
    expect(talk.messages.map(({ content }) => content)).toEqual(["a", "A", "b"]);
    expect(talk.takeBack("user")).toBe("b");
    expect(talk.question).toBe("a");
    expect(whole).toHaveLength(4); // what was handed out stays
    talk.messages = [];
    expect(talk.takeBack("user")).toBeUndefined();
    expect(talk.empty).toBe(true);
  });

  it("has the system prompt first, and only where there is one", () => {
    const talk = new Talk();
    talk.add("user", "a");
    expect(talk.prompt).toEqual([{ role: "user", content: "a" }]);
    talk.system = "s";
    expect(talk.prompt).toEqual([
      { role: "system", content: "s" },
      { role: "user", content: "a" },
    ]);
  });
});

describe("what is taken away", () => {
  const talk: Written = { model: "m", sampling: SAMPLING, content: { messages: [{ role: "user", content: "<b>Hi</b>\n" }, { role: "assistant", content: "Ho" }] } };
  const story: Written = { model: "m", sampling: SAMPLING, content: { prompt: "Once", text: " upon <i>" } };

  it("is a request of OpenAI's API", () => {
    const { name, content } = exportFile(talk, "json");
    expect(name).toBe("b158-talk.json");
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
    expect(exportFile(talk, "markdown").content).toBe("*m, temperature 0.7, seed 7*\n\n**You:**\n\n&lt;b>Hi&lt;/b>\n\n**Model:**\n\nHo\n");
    expect(exportFile(story, "markdown").content).not.toContain("<");
    expect(exportFile(story, "text")).toEqual({ name: "b158-story.txt", type: "text/plain", content: "Once upon <i>\n" });
  });
});
