// One page: log in, see strategies, nodes and intents, and change strategies. Text is set as text, never as HTML.
import { ApiError, call, events, loggedIn, login, logout } from "./api.js";

const $ = (selector) => document.querySelector(selector);
const RETRY_MS = 2000;
const REFRESH_MS = 5000;
let watching = null;

function say(error) {
  $("#message").hidden = !error;
  $("#message").textContent = error?.message ?? error ?? "";
}

function show(part) {
  for (const id of ["#login", "#change", "main"]) $(id).hidden = id !== part;
  $("#logout").hidden = part === "#login";
  if (part !== "main") stop();
}

// Does something that may fail, and leads to where a user can help.
async function attempt(what) {
  try {
    say(null);
    return await what();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (error instanceof ApiError && error.code === "PASSWORD_CHANGE_REQUIRED") show("#change");
    else if (!loggedIn()) show("#login");
    say(error);
    return undefined;
  }
}

function row(...cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const place = line.insertCell();
    if (cell instanceof Node) place.append(cell);
    else place.textContent = cell;
  }
  return line;
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

const state = (name) => element("span", name, `state ${name}`);

function button(text, action) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", async () => {
    made.disabled = true;
    await attempt(action);
    made.disabled = false;
  });
  return made;
}

// Puts rows into a table, and how many there are above it.
function fill(id, rows) {
  $(`#${id} tbody`).replaceChildren(...rows);
  count(id, rows.length);
}

const count = (id, number) => { $(`#count-${id}`).textContent = number; };

const labels = (strategy) =>
  strategy.labelSelectors.map(({ key, value }) => (value ? `${key}=${value}` : key)).join(", ") || "all pods";
const slice = (ns) => (ns ? `${ns / 1e6} ms` : "default");

async function all(path, key) {
  const found = [];
  for (let token = ""; ;) {
    const page = await call("GET", `${path}?pageSize=1000&pageToken=${encodeURIComponent(token)}`);
    found.push(...page[key]);
    token = page.nextPageToken;
    if (!token) return found;
  }
}

async function showStrategies() {
  const strategies = await all("/api/v1/strategies", "strategies");
  fill("strategies", strategies.map((strategy) => row(
    `${strategy.strategyNamespace}/${strategy.name}`,
    `${labels(strategy)} in ${strategy.k8sNamespace.join(", ") || "all namespaces"}`,
    strategy.commandRegex || "every process",
    strategy.priority ?? 10,
    slice(strategy.executionTime),
    state(strategy.state),
    strategy.matchedPods,
    button("Delete", async () => {
      if (!confirm(`Delete ${strategy.name}?`)) return;
      await call("DELETE", "/api/v1/strategies", { strategyId: strategy.id, etag: strategy.etag });
      await showStrategies();
    }),
  )));
}

async function showNodes() {
  const { nodes } = await call("GET", "/api/v1/nodes");
  fill("nodes", nodes.map((node) =>
    row(node.name, state(node.state), node.enforcer, node.pods, node.intents, node.agentVersion)));
}

// A table of intents that changes one by one, in the order of namespaces and pods.
class Intents {
  #rows = new Map();
  #body = $("#intents tbody");

  constructor() { fill("intents", []); }

  keep(ids) {
    for (const id of [...this.#rows.keys()]) if (!ids.has(id)) this.remove(id);
  }

  remove(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    count("intents", this.#rows.size);
  }

  put(intent) {
    this.#rows.get(intent.id)?.remove();
    const pod = `${intent.k8sNamespace}/${intent.podName}`;
    const notes = [intent.stateReason, intent.supersededBy && `by ${intent.supersededBy}`, ...intent.limits];
    const line = row(pod, intent.nodeID, intent.commandRegex || "every process", intent.priority, state(intent.state),
      intent.appliedProcesses, intent.appliedThreads, notes.filter(Boolean).join(", "));
    line.dataset.key = `${pod} ${intent.id}`;
    this.#body.insertBefore(line, this.#after(line.dataset.key));
    this.#rows.set(intent.id, line);
    count("intents", this.#rows.size);
  }

  // The first row behind a key: rows are sorted, so halves are enough.
  #after(key) {
    const { rows } = this.#body;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].dataset.key < key) low = middle + 1;
      else high = middle;
    }
    return rows[low] ?? null;
  }
}

function live(text, on = false) {
  $("#live").textContent = text;
  $("#live").classList.toggle("on", on);
}

// Follows intents; a stream that has ended is begun anew, and what is gone meanwhile goes when all have come.
async function follow(signal) {
  const intents = new Intents();
  while (!signal.aborted) {
    try {
      const seen = new Set();
      for await (const { updated, removedId, synced, error } of events("/api/v1/intents/watch", signal)) {
        if (error) break; // what it means shows when the stream is asked for again
        live("live", true);
        if (updated) intents.put(updated);
        if (updated) seen.add(updated.id);
        if (removedId) intents.remove(removedId);
        if (synced) intents.keep(seen);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    live("reconnecting …");
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}

async function open() {
  stop();
  show("main");
  watching = new AbortController();
  const { signal } = watching;
  await showStrategies();
  await showNodes();
  const timer = setInterval(() => attempt(async () => { await showNodes(); await showStrategies(); }), REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  attempt(() => follow(signal));
}

function stop() {
  watching?.abort();
  watching = null;
  live("");
}

function written(form) {
  const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
  const strategy = {
    name: form.get("name"),
    labelSelectors: split(form.get("labels")).map((part) => {
      const [key, ...value] = part.split("=");
      return { key, value: value.join("=") };
    }),
    k8sNamespace: split(form.get("namespaces")),
    commandRegex: form.get("commandRegex"),
    executionTime: Math.round(Number(form.get("slice") || 0) * 1e6),
  };
  if (form.get("priority") !== "") strategy.priority = Number(form.get("priority"));
  return strategy;
}

function previewed({ matchedPods, nodes, warnings }) {
  const pods = nodes.flatMap((node) => node.pods.map((pod) => `${pod.k8sNamespace}/${pod.podName} on ${node.nodeID || "no node yet"}`));
  return [`${matchedPods} pods`, ...pods, ...warnings].join("\n");
}

function onSubmit(id, action) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => action(new FormData(event.target, event.submitter), event.target));
  });
}

onSubmit("#login", async (form, element) => {
  const { needChangePassword } = await login(form.get("username"), form.get("password"));
  element.reset();
  if (needChangePassword) show("#change");
  else await open();
});

onSubmit("#change", async (form, element) => {
  await call("PUT", "/api/v1/users/self/password", Object.fromEntries(form));
  element.reset();
  await logout().catch(() => {});
  show("#login");
  say("The password is changed; log in with the new one.");
});

onSubmit("#strategy", async (form, element) => {
  const output = element.querySelector("output");
  if (form.get("action") === "preview") {
    output.textContent = previewed(await call("POST", "/api/v1/strategies/preview", written(form)));
    return;
  }
  const made = await call("POST", "/api/v1/strategies", written(form));
  output.textContent = [`${made.name} selects ${made.matchedPods} pods`, ...made.warnings].join("\n");
  await showStrategies();
});

$("#logout").addEventListener("click", () => attempt(async () => { show("#login"); await logout(); }));

if (loggedIn()) attempt(open);
else show("#login");
