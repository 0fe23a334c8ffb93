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
    if (/^[A-Z_]+$/.test(cell)) place.className = cell;
  }
  return line;
}

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.type = "button";
  made.addEventListener("click", () => attempt(action));
  return made;
}

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
  $("#strategies tbody").replaceChildren(...strategies.map((strategy) => row(
    `${strategy.strategyNamespace}/${strategy.name}`,
    `${labels(strategy)} in ${strategy.k8sNamespace.join(", ") || "all namespaces"}`,
    strategy.commandRegex || "every process",
    strategy.priority ?? 10,
    slice(strategy.executionTime),
    strategy.state,
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
  $("#nodes tbody").replaceChildren(...nodes.map((node) =>
    row(node.name, node.state, node.enforcer, node.pods, node.intents, node.agentVersion)));
}

// Follows intents, from where it was when the stream ends.
async function follow(signal) {
  const rows = new Map();
  const body = $("#intents tbody");
  body.replaceChildren();
  for (let since = ""; !signal.aborted;) {
    try {
      for await (const { cursor, updated, removedId } of events(`/api/v1/intents/watch?since=${since}`, signal)) {
        $("#live").textContent = "live";
        since = encodeURIComponent(cursor);
        rows.get(updated?.id ?? removedId)?.remove();
        if (updated) {
          const notes = [updated.stateReason, updated.supersededBy && `by ${updated.supersededBy}`, ...updated.limits];
          const line = row(`${updated.k8sNamespace}/${updated.podName}`, updated.nodeID, updated.priority, updated.state,
            updated.appliedProcesses, updated.appliedThreads, notes.filter(Boolean).join(", "));
          rows.set(updated.id, line);
          body.append(line);
        } else if (removedId) {
          rows.delete(removedId);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    $("#live").textContent = "reconnecting …";
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
  $("#live").textContent = "";
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
