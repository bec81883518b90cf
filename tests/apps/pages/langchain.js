// The guide's LangChain, for what tests do with it in the page.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { chat, model } from "guide";
import { z } from "zod";

Object.assign(window, { chat, model, HumanMessage, ToolMessage, tool, z });
