import type { ChatMessage } from "b158";

/** What was said, and what the model gets to see of it. */
export class Conversation {
  /** Put before all messages, with the next answer; empty for none. */
  system = "";
  #messages: readonly ChatMessage[] = [];

  /** Without the system prompt. A value: the conversation's next change leaves it as it is. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  set messages(messages: readonly ChatMessage[]) {
    this.#messages = messages;
  }

  /** For the model's chat template. */
  get prompt(): readonly ChatMessage[] {
    return this.system === "" ? this.#messages : [{ role: "system", content: this.system }, ...this.#messages];
  }

  /** What was asked last. */
  get question(): string | undefined {
    return this.#messages.filter(({ role }) => role === "user").at(-1)?.content;
  }

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  add(role: "user" | "assistant", content: string): void {
    this.#messages = [...this.#messages, { role, content }];
  }

  /** Takes back what comes from the last message of this role on; that message's text. */
  takeBack(role: "user" | "assistant"): string | undefined {
    const at = this.#messages.map((message) => message.role).lastIndexOf(role);
    const taken = this.#messages[at];
    if (taken) this.#messages = this.#messages.slice(0, at);
    return taken?.content;
  }
}
