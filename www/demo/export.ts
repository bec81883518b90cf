import type { ChatMessage } from "b158";
import type { Sampling } from "./settings.js";

/** What is on the sheet, to take away. */
export interface Written {
  readonly model: string;
  /** As of the last text; `seed` is the one it had. */
  readonly sampling: Sampling;
  readonly content: { readonly prompt: string; readonly text: string } | { readonly messages: readonly ChatMessage[] };
}

export interface ExportFile {
  readonly name: string;
  readonly type: string;
  readonly content: string;
}

export type ExportFormat = "json" | "markdown" | "text";

const SPEAKERS: Record<ChatMessage["role"], string> = { system: "System", user: "You", assistant: "Model" };

export function exportFile(written: Written, format: ExportFormat): ExportFile {
  const stem = "messages" in written.content ? "b158-chat" : "b158-story";
  switch (format) {
    case "json":
      return { name: `${stem}.json`, type: "application/json", content: `${JSON.stringify(asRequest(written), undefined, 2)}\n` };
    case "markdown":
      return { name: `${stem}.md`, type: "text/markdown", content: asMarkdown(written) };
    case "text":
      return { name: `${stem}.txt`, type: "text/plain", content: `${asText(written)}\n` };
  }
}

/** Plain text, also for the clipboard. */
export function asText({ content }: Written): string {
  if ("prompt" in content) return content.prompt + content.text;
  return content.messages.map((message) => `${SPEAKERS[message.role]}: ${message.content.trim()}`).join("\n\n");
}

/** In the shape of OpenAI's API: the messages and settings that would be sent again; a story as the answer of a completion. */
function asRequest({ model, sampling, content }: Written): unknown {
  const settings = {
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    min_p: sampling.minP,
    repeat_penalty: sampling.repeatPenalty,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
  };
  if ("prompt" in content) return { model, prompt: content.prompt, ...settings, choices: [{ index: 0, text: content.text }] };
  return { model, messages: content.messages.map(({ role, content }) => ({ role, content })), ...settings };
}

function asMarkdown({ model, sampling, content }: Written): string {
  const about = `*${model}, temperature ${String(sampling.temperature)}, seed ${String(sampling.seed)}*`;
  const body =
    "prompt" in content
      ? [`**${escapeMarkdown(content.prompt)}**${escapeMarkdown(content.text)}`]
      : content.messages.map((message) => `**${SPEAKERS[message.role]}:**\n\n${escapeMarkdown(message.content.trim())}`);
  return `${[about, ...body].join("\n\n")}\n`;
}

/** Models of today write Markdown themselves, which stays; only what would become HTML does not. */
function escapeMarkdown(text: string): string {
  return text.replaceAll("<", "&lt;");
}
