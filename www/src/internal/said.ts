/** Pieces of an answer, put together. */
import type { ChatCompletionMessageToolCall } from "../public/chat.js";
import type { Piece, Token } from "./protocol.js";

/** What has been said so far. */
export class WhatIsSaid {
  content = "";
  reasoning = "";
  readonly calls: ChatCompletionMessageToolCall[] = [];

  take(piece: Piece): void {
    switch (piece.type) {
      case "content":
        this.content += piece.body;
        break;
      case "reasoning":
        this.reasoning += piece.body;
        break;
      case "call":
        this.calls.push({ id: piece.body.id, type: "function", function: { name: piece.body.name, arguments: "" } });
        break;
      case "arguments": {
        const call = this.calls[piece.body.index];
        if (call) call.function.arguments += piece.body.text;
      }
    }
  }
}

export function piecesOf({ read }: Token): readonly Piece[] {
  return read?.pieces ?? [];
}
