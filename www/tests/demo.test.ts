// The parts of the page that need no browser.
import { describe, expect, it } from "vitest";
import { exportFile, type Written } from "../demo/export.js";
import { Conversation } from "../demo/conversation.js";

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
