/** What the guide shows, for the tests that run it: against real packages, browsers and runtimes. */
import { readFileSync } from "node:fs";

const GUIDE = new URL("../GUIDE.md", import.meta.url);

/**
 * The text of the fenced block number `index` under the heading `heading` of GUIDE.md, which must be there.
 *
 * @param {string} heading
 * @param {number} [index]
 */
export function guideBlock(heading, index = 0) {
  const sections = readFileSync(GUIDE, "utf8").split(/^##+ /m);
  const section = sections.find((section) => section.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`GUIDE.md has no heading "${heading}"`);
  const blocks = [...section.matchAll(/^```\w*\n([^]*?)^```$/gm)];
  const block = blocks[index]?.[1];
  if (block === undefined) throw new Error(`"${heading}" of GUIDE.md has ${String(blocks.length)} blocks, no number ${String(index)}`);
  return block;
}
