// The page: a form for a person, `window.bench` for a program.
import { bench } from "./bench.js";
import { benchForms } from "./forms.js";
import { benchLoading } from "./load.js";
import { charts } from "./plot.js";
import { tables } from "./report.js";

const at = (id) => document.getElementById(id);
const form = at("options");
const list = (text) => text.split(",").map((part) => part.trim()).filter((part) => part !== "");
const numbers = (text) => list(text).map(Number);

/** Measures and shows; gives the results. */
window.bench = (options) => run(options.load ? benchLoading : options.forms ? benchForms : bench, options);

async function run(measure, options) {
  form.querySelector("button").disabled = true;
  at("progress").hidden = false;
  at("error").hidden = true;
  try {
    return await measure(options, tell);
  } catch (error) {
    at("error").textContent = error instanceof Error ? error.message : String(error);
    at("error").hidden = false;
    throw error;
  } finally {
    form.querySelector("button").disabled = false;
    at("doing").textContent = "";
    at("progress").hidden = true;
  }
}

function tell({ text, done, total, results }) {
  if (results) {
    show(results);
    return;
  }
  at("doing").textContent = text;
  at("bar").max = total;
  at("bar").value = done;
  // The runner's terminal.
  window.told?.(text, done, total);
}

function show(results) {
  const parts = tables(results).flatMap(({ title, header, rows }) => [element("h2", title), scroll(table(header, rows))]);
  const pictures = element("div", undefined, "charts");
  // Its text is all our own: names of builds and numbers.
  pictures.innerHTML = charts(results).map(({ svg }) => svg).join("");
  at("results").replaceChildren(...parts, pictures);
}

function table(header, rows) {
  const line = (cells, tag) => {
    const tr = element("tr");
    tr.append(...cells.map((cell) => element(tag, cell)));
    return tr;
  };
  const [head, body, all] = [element("thead"), element("tbody"), element("table")];
  head.append(line(header, "th"));
  body.append(...rows.map((cells) => line(cells, "td")));
  all.append(head, body);
  return all;
}

function scroll(content) {
  const box = element("div", undefined, "scroll");
  box.append(content);
  return box;
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}

const served = new URLSearchParams(location.search).get("model");
if (served !== null) form.elements.address.value = served;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = (name) => form.elements[name].value;
  const source = form.elements.file.files[0] ?? field("address");
  const threads = list(field("threads")).map((number) => (number === "auto" ? number : Number(number)));
  const builds = list(field("backends")).flatMap((backend) => threads.map((threads) => ({ backend, threads })));
  const [rounds, tokens, promptTokens] = ["rounds", "tokens", "promptTokens"].map((name) => Number(field(name)));
  // The page says what went wrong.
  window.bench({ source, builds, rounds, tokens, promptTokens, depths: numbers(field("depths")), peers: [] }).catch(() => undefined);
});

// Opened by `alone.mjs`, which nobody but this page can tell anything.
const query = new URLSearchParams(location.search);
const reports = query.get("reports");
if (reports) {
  const post = (report) => fetch(reports, { method: "POST", body: JSON.stringify(report) });
  window.told = (...told) => void post({ told });
  window.bench(JSON.parse(query.get("options"))).then(
    (results) => post({ results }),
    (error) => post({ error: String(error?.message ?? error) }),
  );
}
