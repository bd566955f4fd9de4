/** A page to try the API by hand: it uses the session's cookie and shows each request. No part of the dashboard is in it. */

/** Requests that are shown, the newest first. */
const SHOWN = 30;

const byId = (id) => document.getElementById(id);
const log = byId("log");

/** An element with a text or elements in it. */
function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

/** Calls the API and shows how it went; undefined when it refused or did not answer. */
async function call(method, path, body) {
  const entry = element("li", element("code", `${method} ${path}`));
  if (body !== undefined)
    entry.append(element("pre", JSON.stringify({ ...body, ...("password" in body && { password: "…" }) })));
  log.prepend(entry);
  while (log.childElementCount > SHOWN) log.lastElementChild.remove();
  const begun = performance.now();
  try {
    const response = await fetch(path, {
      method,
      ...(body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    entry.firstElementChild.after(` ${response.status}, ${Math.round(performance.now() - begun)} ms`);
    entry.classList.toggle("failed", !response.ok);
    if (text !== "") entry.append(element("pre", pretty(text)));
    return response.ok ? (text === "" ? null : JSON.parse(text)) : undefined;
  } catch (error) {
    entry.classList.add("failed");
    entry.append(element("pre", String(error)));
    return undefined;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A button whose request is under way cannot be pressed again. */
function button(label, action) {
  const made = element("button", label);
  made.addEventListener("click", async () => {
    made.disabled = true;
    await action();
    made.disabled = false;
    await refresh();
  });
  return made;
}

/** The fields of a form that have something in them. */
function fieldsOf(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
}

function onSubmit(id, action) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const pressed = event.submitter;
    if (pressed) pressed.disabled = true;
    await action(fieldsOf(event.target), pressed?.value);
    if (pressed) pressed.disabled = false;
    await refresh();
  });
}

onSubmit("sign-in", async ({ name, email, password }, what) => {
  if (what === "logout") return call("POST", "/v1/auth/logout");
  const named = what === "signup" ? { name: name ?? email } : {};
  return call("POST", `/v1/auth/${what}`, { email, password, ...named, cookie: true });
});
onSubmit("keys", async ({ name }) => {
  const made = await call("POST", "/v1/api-keys", { name });
  if (made) byId("made-key").replaceChildren("shown once: ", element("code", made.key));
});
onSubmit("create", ({ memory_mb: memory, ...fields }) =>
  call("POST", "/v1/sandboxes", { ...fields, ...(memory && { memory_mb: Number(memory) }) }),
);
byId("exec").addEventListener("submit", (event) => event.preventDefault());

/** What can be done with a sandbox in its state. */
function actionsOf({ id, status }) {
  const path = `/v1/sandboxes/${id}`;
  const exec = () => call("POST", `${path}/exec`, { cmd: "sh", args: ["-c", fieldsOf(byId("exec")).line ?? "true"] });
  const snapshot = () => call("POST", "/v1/snapshots", { sandbox_id: id, name: `test-${Date.now().toString(36)}` });
  return [
    ...(status === "running" ? [button("Exec", exec), button("Pause", () => call("POST", `${path}/pause`))] : []),
    ...(status === "paused" ? [button("Resume", () => call("POST", `${path}/resume`))] : []),
    ...(["running", "paused"].includes(status) ? [button("Snapshot", snapshot)] : []),
    button("Destroy", () => call("DELETE", path)),
  ];
}

function row(cells, actions) {
  return element("tr", ...cells.map((cell) => element("td", cell ?? "")), element("td", ...actions));
}

/** Reads who is signed in and what the team has, without showing these requests. */
async function refresh() {
  const [me, sandboxes, snapshots] = await Promise.all(["/v1/me", "/v1/sandboxes", "/v1/snapshots"].map(read));
  byId("me").textContent = me ? `${me.name}, team ${me.team?.name ?? "none"}` : "nobody is signed in";
  byId("sandbox-rows").replaceChildren(
    ...(sandboxes ?? []).map((sandbox) =>
      row([sandbox.id, sandbox.name, sandbox.status, sandbox.template], actionsOf(sandbox)),
    ),
  );
  byId("snapshot-rows").replaceChildren(
    ...(snapshots ?? []).map(({ name, type }) =>
      row(
        [name, type],
        [
          button("Create a sandbox", () => call("POST", "/v1/sandboxes", { template: name })),
          ...(type === "snapshot" ? [button("Delete", () => call("DELETE", `/v1/snapshots/${name}`))] : []),
        ],
      ),
    ),
  );
  offerTemplates(snapshots ?? []);
}

function offerTemplates(snapshots) {
  const select = byId("create").elements.template;
  const names = snapshots.map(({ name }) => name);
  if (names.join() === [...select.options].map(({ value }) => value).join()) return;
  select.replaceChildren(...names.map((name) => new Option(name, name, name === "minimal", name === select.value)));
}

async function read(path) {
  const response = await fetch(path).catch(() => undefined);
  return response?.ok ? response.json() : undefined;
}

await refresh();
