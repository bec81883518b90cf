// The guide's LangChain, for what tests do with it in the page.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { answer, chat, model } from "guide";
import OpenAI from "openai";
import { z } from "zod";

/** OpenAI's own client, by the same way. */
const client = new OpenAI({ apiKey: "none", fetch: answer, maxRetries: 0, dangerouslyAllowBrowser: true });

Object.assign(window, { chat, client, model, HumanMessage, ToolMessage, tool, z });
