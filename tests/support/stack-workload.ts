import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { type Answer, call, Subject } from "./answered-calls.ts";
import type { SeededRandom } from "./random.ts";
import type { Stack } from "./stack.ts";

/** The platform's administrator; the control plane is started with this account. */
export const ADMIN = { email: "admin@example.org", password: "the password of the admin" };

const MEMORY_MB = 128;
/** Things of a kind that are there at once. */
const MOST_KEYS = 12;
const MOST_TEAMS = 6;

/** What a sandbox is after a loss of power: its last pause, or nothing but a record when it had none. */
type Outcome = "absent" | { name: string; status: "stopped" } | { name: string; status: "paused"; mark: string };
type Team = "absent" | { name: string; sandboxes: number };

interface KnownTeam {
  subject: Subject<Team>;
  /** Empty until its making was answered. */
  id: string;
}

interface KnownSandbox {
  subject: Subject<Outcome>;
  /** Empty until its making was answered. */
  id: string;
  isPaused: boolean;
}

/** What several people ask of a whole Warren at once, and what must be true of it after a loss of power. */
export class StackWorkload {
  readonly #stack: Stack;
  readonly #random: SeededRandom;
  readonly #token: string;
  /** The administrator's own, whose quota nobody changes. */
  readonly #teamId: string;
  readonly #keys = new Map<string, { subject: Subject<boolean>; id: string; key: string }>();
  readonly #teams: KnownTeam[] = [];
  readonly #sandboxes: KnownSandbox[] = [];
  /** What lists say of keys and teams, as of the last look. */
  #listed = { keys: new Set<string>(), teams: [] as { id: string; name: string }[] };
  readonly #template = new Subject<boolean>("the template", false, async () => {
    const { body } = await this.#api("GET", "/v1/snapshots");
    return body.some(({ name }: { name: string }) => name === "kept");
  });
  /** What the sandbox said that the template was made of. */
  #templateMark = "";
  #count = 0;
  #answered = 0;

  private constructor(stack: Stack, random: SeededRandom, token: string, teamId: string) {
    this.#stack = stack;
    this.#random = random;
    this.#token = token;
    this.#teamId = teamId;
  }

  static async begin(stack: Stack, random: SeededRandom): Promise<StackWorkload> {
    const { body } = await call(stack.url, {}, "POST", "/v1/auth/login", ADMIN);
    return new StackWorkload(stack, random, body.token, body.team_id);
  }

  /** Calls that were answered with a success. */
  get answered(): number {
    return this.#answered;
  }

  /** Works until calls fail; that is a failure unless `isLost` says that the power is lost, or being lost. */
  async run(isLost: () => boolean): Promise<void> {
    const until = async (step: () => Promise<unknown>) => {
      try {
        for (;;) await step();
      } catch (error) {
        if (!isLost()) throw error;
      }
    };
    await Promise.all([
      until(() => this.#changeKeys()),
      until(() => this.#changeTeams()),
      until(() => this.#changeSandbox(0)),
      until(() => this.#changeSandbox(1)),
      until(() => this.#changeTemplate()),
    ]);
  }

  /** Fails unless all that was answered for is there, on the host too. */
  async verify(): Promise<void> {
    const keys: { name: string }[] = await this.#list("/v1/api-keys");
    const teams = await this.#list("/v1/teams");
    this.#listed = { keys: new Set(keys.map(({ name }) => name)), teams };
    for (const { subject } of this.#keys.values()) await subject.verify();
    for (const { subject } of this.#teams) await subject.verify();
    for (const { subject } of this.#sandboxes.splice(0)) await subject.verify();
    await this.#template.verify();
    if (this.#template.state) await this.#verifyTemplate();
    await this.#endSandboxes();
    for (const [name, { subject }] of this.#keys) if (!subject.state) this.#keys.delete(name);
    for (const team of this.#teams.splice(0)) if (team.subject.state !== "absent") this.#teams.push(team);
  }

  /** Those too whose making was not answered: they end by themselves when their host does not know them. */
  async #endSandboxes(): Promise<void> {
    for (const { id, status } of (await this.#api("GET", "/v1/sandboxes")).body as Sandbox[]) {
      if (status === "running" || status === "paused") await this.#ask("DELETE", `/v1/sandboxes/${id}`);
    }
  }

  async #changeKeys(): Promise<void> {
    // Nobody was told the id of one whose making was not answered.
    const live = [...this.#keys.values()].filter(({ subject, id }) => !subject.isOpen && subject.state && id !== "");
    if (live.length < MOST_KEYS) {
      const name = `key ${++this.#count}`;
      const entry = { subject: new Subject(name, false, () => this.#isKeyLive(name)), id: "", key: "" };
      this.#keys.set(name, entry);
      const make = () => this.#asUser("POST", "/v1/api-keys", { name });
      const { body } = await entry.subject.change(true, "its making", make);
      Object.assign(entry, { id: body.id, key: body.key });
    } else {
      const { subject, id } = this.#random.pick(live);
      await subject.change(false, "its revocation", () => this.#asUser("DELETE", `/v1/api-keys/${id}`));
    }
  }

  /** Whether a key is in the list, and lets in who has it. */
  async #isKeyLive(name: string): Promise<boolean> {
    const listed = this.#listed.keys.has(name);
    const { key } = this.#keys.get(name)!;
    if (key === "") return listed;
    const { status } = await call(this.#stack.url, { "x-api-key": key }, "GET", "/v1/sandboxes");
    if (status !== (listed ? 200 : 401))
      throw new Error(`${name} is ${listed ? "" : "not "}listed and gives ${status}`);
    return listed;
  }

  async #changeTeams(): Promise<void> {
    const known = this.#teams.filter(({ subject }) => !subject.isOpen && subject.state !== "absent");
    if (known.length < MOST_TEAMS) return this.#createTeam();
    const { subject, id } = this.#random.pick(known);
    const state = subject.state as Exclude<Team, "absent">;
    const what = this.#random.next();
    if (what < 0.4) {
      const sandboxes = ++this.#count;
      const set = () => this.#asUser("PUT", `/v1/admin/teams/${id}/quota`, { sandboxes });
      await subject.change({ ...state, sandboxes }, "its quota", set);
      return;
    }
    const { token } = (await this.#asUser("POST", "/v1/auth/switch-team", { team_id: id })).body;
    if (what < 0.8) {
      const name = `Team ${++this.#count}`;
      const rename = () => this.#asUser("PATCH", `/v1/teams/${id}`, { name }, token);
      await subject.change({ ...state, name }, "its new name", rename);
    } else {
      const remove = () => this.#asUser("DELETE", `/v1/teams/${id}`, undefined, token);
      await subject.change("absent", "its removal", remove);
    }
  }

  async #createTeam(): Promise<void> {
    const name = `Team ${++this.#count}`;
    const quota = async (id: string) => {
      const { body } = await this.#asUser("GET", `/v1/admin/teams/${id}/quota`);
      return body.limits.sandboxes as number;
    };
    const entry: KnownTeam = {
      id: "",
      subject: new Subject<Team>(name, "absent", async () => {
        const found = this.#listed.teams.find((team) => (entry.id === "" ? team.name === name : team.id === entry.id));
        if (!found) return "absent";
        entry.id = found.id;
        return { name: found.name, sandboxes: await quota(found.id) };
      }),
    };
    this.#teams.push(entry);
    const sandboxes = await quota(this.#teamId);
    const make = () => this.#asUser("POST", "/v1/teams", { name });
    entry.id = (await entry.subject.change({ name, sandboxes }, "its making", make)).body.id;
  }

  /** Takes one of the sandboxes of this round, which one actor alone changes, one step further. */
  async #changeSandbox(actor: number): Promise<void> {
    const entry = this.#sandboxes.find(
      ({ subject }) => subject.name.startsWith(`box-${actor}-`) && subject.state !== "absent",
    );
    if (!entry) return this.#createSandbox(`box-${actor}-${++this.#count}`);
    const { subject, id } = entry;
    const state = subject.state as Exclude<Outcome, "absent">;
    const path = `/v1/sandboxes/${id}`;
    const what = this.#random.next();
    if (what < 0.25) {
      const name = `box-${actor}-${++this.#count}`;
      await subject.change({ ...state, name }, "its new name", () => this.#api("PATCH", path, { name }));
    } else if (what < 0.35) await subject.change("absent", "its end", () => this.#api("DELETE", path));
    else if (entry.isPaused) {
      // It returns to its last pause when the power is lost.
      await subject.change(state, "its resumption", () => this.#api("POST", `${path}/resume`));
      entry.isPaused = false;
    } else {
      const mark = `mark ${++this.#count}`;
      await this.#shell(id, `echo '${mark}' > /root/mark; echo '${mark}' > /dev/shm/mark`);
      const paused = { name: state.name, status: "paused", mark } as const;
      await subject.change(paused, "its pause", () => this.#api("POST", `${path}/pause`));
      entry.isPaused = true;
    }
  }

  async #createSandbox(name: string): Promise<void> {
    const entry: KnownSandbox = {
      subject: new Subject<Outcome>(name, "absent", () => this.#lookAtSandbox(entry)),
      id: "",
      isPaused: false,
    };
    this.#sandboxes.push(entry);
    const make = () => this.#api("POST", "/v1/sandboxes", { name, memory_mb: MEMORY_MB });
    entry.id = (await entry.subject.change({ name, status: "stopped" }, "its making", make)).body.id;
  }

  /** Resumes a sandbox that is paused, to see what is in it. */
  async #lookAtSandbox({ id, subject }: KnownSandbox): Promise<Outcome> {
    // Nobody was told the id of one whose making was not answered: it may be there or not, and ends by itself.
    if (id === "") return "absent";
    const { status, body } = await this.#api("GET", `/v1/sandboxes/${id}`);
    const { name, status: is, reason } = body as Sandbox;
    // One that was destroyed has no reason; one that is being destroyed may still have that of its end.
    const isDestroyed = is === "stopped" && (!reason || subject.state === "absent");
    if (status === 404 || isDestroyed || (is === "stopping" && subject.state === "absent")) return "absent";
    if (is !== "paused") return { name: name ?? "", status: is as "stopped" };
    await this.#ask("POST", `/v1/sandboxes/${id}/resume`);
    const marks = (await this.#shell(id, "cat /root/mark /dev/shm/mark")).trim().split("\n");
    await this.#ask("POST", `/v1/sandboxes/${id}/pause`);
    if (new Set(marks).size !== 1) throw new Error(`${subject.name}: memory and disk are of two instants: ${marks}`);
    return { name: name ?? "", status: "paused", mark: marks[0]! };
  }

  /** Makes a template of a sandbox of its own, or removes it. */
  async #changeTemplate(): Promise<void> {
    if (this.#template.state) {
      await this.#template.change(false, "its removal", () => this.#api("DELETE", "/v1/snapshots/kept"));
      return;
    }
    const mark = `template ${++this.#count}`;
    const { id } = await this.#ask("POST", "/v1/sandboxes", { memory_mb: MEMORY_MB });
    await this.#shell(id, `echo '${mark}' > /root/mark`);
    this.#templateMark = mark;
    const make = () => this.#api("POST", "/v1/snapshots", { sandbox_id: id, name: "kept" });
    await this.#template.change(true, "its making", make);
    await this.#ask("DELETE", `/v1/sandboxes/${id}`);
  }

  async #verifyTemplate(): Promise<void> {
    const { id } = await this.#ask("POST", "/v1/sandboxes", { template: "kept" });
    const mark = (await this.#shell(id, "cat /root/mark")).trim();
    if (mark !== this.#templateMark) throw new Error(`the template has ${mark}, not ${this.#templateMark}`);
    await this.#ask("DELETE", `/v1/sandboxes/${id}`);
  }

  async #shell(id: string, script: string): Promise<string> {
    const command = { cmd: "sh", args: ["-c", script], user: "root", timeout_sec: 300 };
    return (await this.#ask("POST", `/v1/sandboxes/${id}/exec`, command)).stdout;
  }

  /** What the administrator sees, whose session was answered for. */
  async #list(path: string) {
    const { status, body } = await this.#asUser("GET", path);
    if (status !== 200) throw new Error(`the administrator's session: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The answer to a call that must succeed. */
  async #ask(method: string, path: string, body?: object) {
    const answer = await this.#api(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async #api(method: string, path: string, body?: object): Promise<Answer> {
    return this.#noted(await call(this.#stack.url, { "x-api-key": this.#stack.apiKey }, method, path, body));
  }

  /** A call of the administrator, with a session in the administrator's own team unless a token of another is given. */
  async #asUser(method: string, path: string, body?: object, token = this.#token): Promise<Answer> {
    return this.#noted(await call(this.#stack.url, { authorization: `Bearer ${token}` }, method, path, body));
  }

  #noted(answer: Answer): Answer {
    if (answer.status < 300) this.#answered++;
    return answer;
  }
}
