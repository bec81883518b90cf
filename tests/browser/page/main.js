// Runs a scenario by name, for a driver outside, which knows of it only how it ended.
import { BitNet, BitNetError } from "/lib/index.js";
import { scenarios } from "./scenarios.js";

const query = new URLSearchParams(location.search);
const expected = { threads: query.get("threads") === "true", relaxed: query.get("relaxed") === "true", pairs: query.getAll("pair") };
const told = await (await fetch("/models/greedy.json")).json();
const forms = await (await fetch("/models/forms.json")).json();
const all = scenarios({ BitNet, BitNetError, told, forms, expected });

/** What went wrong, or null. */
window.scenario = (name) =>
  all[name]().then(
    () => null,
    (error) => `${error.name}: ${error.message}\n${error.stack}`,
  );
