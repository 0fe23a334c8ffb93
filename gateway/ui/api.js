// The REST API: one function for requests, one for event streams. The session lives in this tab only.

const KEY = "gthulhu.session";
let session = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
let refreshing = null;

export const loggedIn = () => session !== null;

function keep(tokens) {
  session = tokens && { access: tokens.accessToken, refresh: tokens.refreshToken };
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}

export class ApiError extends Error {
  constructor(status, body) {
    const text = body.error ?? `the server answered ${status}`;
    const others = (body.fields ?? []).filter(({ field }) => !text.includes(field));
    super([text, ...others.map(({ field, description }) => `${field}: ${description}`)].join("\n"));
    this.status = status;
    this.code = body.code ?? "";
  }
}

async function send(method, path, body, signal) {
  const headers = session ? { authorization: `Bearer ${session.access}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.ok) return answer;
  throw new ApiError(answer.status, await answer.json().catch(() => ({})));
}

// A refresh token works once, so requests that find their token ended share one refresh.
async function refresh() {
  refreshing ??= send("POST", "/api/v1/auth/refresh", { refreshToken: session.refresh })
    .then((answer) => answer.json())
    .then(({ data }) => keep(data))
    .catch((error) => { if (error.status === 401) keep(null); throw error; })
    .finally(() => { refreshing = null; });
  return refreshing;
}

async function sendFresh(...request) {
  try {
    return await send(...request);
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    await refresh();
    return send(...request);
  }
}

export async function call(method, path, body) {
  return (await (await sendFresh(method, path, body)).json()).data;
}

export async function login(username, password) {
  const { data } = await (await send("POST", "/api/v1/auth/login", { username, password })).json();
  keep(data);
  return data;
}

export async function logout() {
  const token = session?.refresh;
  keep(null);
  if (token) await send("POST", "/api/v1/auth/logout", { refreshToken: token });
}

// Yields the events of a stream until it ends.
export async function* events(path, signal) {
  const answer = await sendFresh("GET", path, undefined, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
}
