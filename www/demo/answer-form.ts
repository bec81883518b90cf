import type { ResponseFormat } from "b158";
import { button, byId, setText } from "./dom.js";

const text = (maxLength: number) => ({ type: "string", minLength: 1, maxLength });

/** Small ones, each with something that its neighbours lack. */
const EXAMPLES: Readonly<Record<string, object>> = {
  "A hero": {
    type: "object",
    properties: { name: text(12), animal: { enum: ["fox", "rabbit", "bear", "cat"] }, age: { type: "integer", minimum: 1, maximum: 9 }, brave: { type: "boolean" } },
    required: ["name", "animal", "age", "brave"],
    additionalProperties: false,
  },
  "A list": { type: "array", items: text(16), minItems: 3, maxItems: 3 },
  "Yes or no": {
    type: "object",
    properties: { because: text(80), answer: { enum: ["yes", "no"] } },
    required: ["because", "answer"],
    additionalProperties: false,
  },
};

/** What the answer is held to: nothing, any JSON object, or a schema. */
export class AnswerForm {
  readonly #choice = byId("form", HTMLSelectElement);
  readonly #schema = byId("schema", HTMLTextAreaElement);

  constructor() {
    const [[, first] = []] = Object.entries(EXAMPLES);
    this.#schema.defaultValue = written(first);
    byId("schema-examples").replaceChildren(
      ...Object.entries(EXAMPLES).map(([name, schema]) =>
        button(name, "", () => {
          this.#schema.value = written(schema);
          this.#schema.dispatchEvent(new Event("input", { bubbles: true }));
          this.#schema.focus();
        }),
      ),
    );
    for (const event of ["input", "change"]) {
      document.addEventListener(event, () => {
        this.#show();
      });
    }
    this.#show();
  }

  /** Undefined where the answer is free. A schema that is no JSON goes as it is: the engine says what is wrong with it. */
  get responseFormat(): ResponseFormat | undefined {
    switch (this.#choice.value) {
      case "object":
        return { type: "json_object" };
      case "schema":
        return { type: "json_schema", schema: this.#schema.value };
      default:
        return undefined;
    }
  }

  #show(): void {
    const bySchema = this.#choice.value === "schema";
    byId("schema-box").hidden = !bySchema;
    setText("form-summary", this.#choice.value === "" ? "Answer as JSON" : `Answer as JSON: ${this.#choice.selectedOptions[0]?.text ?? ""}`);
    const wrong = bySchema ? complaint(this.#schema.value) : undefined;
    setText("schema-complaint", wrong ?? "");
    byId("schema-complaint").hidden = wrong === undefined;
    this.#schema.setAttribute("aria-invalid", String(wrong !== undefined));
  }
}

function complaint(schema: string): string | undefined {
  try {
    JSON.parse(schema);
    return undefined;
  } catch (error) {
    return `This is not JSON yet: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function written(schema: object | undefined): string {
  // What is short stays on one line.
  const lines = (value: unknown, indent: string): string => {
    const flat = JSON.stringify(value, undefined, 1).replaceAll(/\s*\n\s*/g, " ");
    if (flat.length + indent.length <= 60 || typeof value !== "object" || value === null) return flat;
    const inner = `${indent}  `;
    const parts = Array.isArray(value)
      ? value.map((each) => inner + lines(each, inner))
      : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${lines(each, inner)}`);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    return `${open ?? ""}\n${parts.join(",\n")}\n${indent}${close ?? ""}`;
  };
  return lines(schema, "");
}
