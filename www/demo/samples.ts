export type Mode = "story" | "chat";

export const SAMPLES: Record<Mode, readonly string[]> = {
  story: [
    "Once upon a time, there was a brave fox named Pip.",
    "There was once a shy rabbit named Hazel.",
    "One night, Sam was in bed. Then he heard a strange noise.",
    "Once upon a time, in a small village, there lived a curious girl. Her name was Nora.",
  ],
  chat: ["Tell me a story about a brave cat named Momo.", "Who are you?", "What color is the sky?", "Ben has a green kite. What does Ben have?"],
};

/** For models that know more than stories. */
export const LARGE_SAMPLES: Record<Mode, readonly string[]> = {
  story: ["The capital of France is", "A short history of the abacus:\n\n", "def fibonacci(n):\n"],
  chat: ["Explain in three sentences why the sky is blue.", "Write a limerick about a ternary computer.", "What is 17 times 23? Think step by step."],
};
