import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { GuestCommands } from "./commands.ts";
import { GuestConnections } from "./connections.ts";
import { unreachable } from "./errors.ts";
import { FileTransfers } from "./file-transfers.ts";
import { GuestFilesystem } from "./filesystem.ts";
import { hostLoad } from "./host-load.ts";
import { DEFAULT_LIMITS, type GuestLimits } from "./limits.ts";
import { whileAlive } from "./liveness.ts";
import { errorMessage, MAX_JSON, parseJson } from "./messages.ts";
import { GuestRequests } from "./requests.ts";
import { guestTransport } from "./transport.ts";

/** Limit of the init of a guest that was just started: on an overloaded host its first instructions may take long. */
const INIT_LIMIT_MS = 60_000;

/** Bytes of JSON of one list of files: a full one with paths that are all as long as they can be. */
const MAX_LIST_JSON = 1024 * 1024;

/** Identity that a microVM gets when it starts or wakes up (POST /init). */
export interface GuestIdentity {
  sandboxId: string;
  templateId: string;
  /** New access token. */
  token: string;
  /** Variables of all processes; undefined = those that the guest has. */
  env: Record<string, string> | undefined;
  hostname: string;
  defaultUser: string;
  /** Random bytes from the host for the guest's generator. */
  entropy: Uint8Array;
}

/** What the guest agent confirmed of an identity. */
export interface InitConfirmation {
  /** Guest clock minus host clock after the step, in milliseconds: at most MAX_CLOCK_OFFSET_MS either way. */
  clockOffsetMs: number;
  entropyBytes: number;
  hostname: string;
  sandboxId: string;
}

/** Milliseconds by which the clock of a guest may be off when it has been set. */
const MAX_CLOCK_OFFSET_MS = 50;

/** Milliseconds that a guest has to say what it uses. */
const METRICS_LIMIT_MS = 2000;

/** Calls the agent of one microVM. Every failure is an error of the catalogue. */
export class GuestClient {
  /** Looks at the vCPUs of the guest while it is silent, see LivenessSigns; whoever has them says how. */
  hasHung: () => Promise<boolean> = async () => false;
  readonly #connections = new GuestConnections();
  readonly #requests: GuestRequests;
  /** Its commands. */
  readonly commands: GuestCommands;
  /** Its files and directories. */
  readonly filesystem: GuestFilesystem;
  /** Their content. */
  readonly files: FileTransfers;
  readonly #limits: GuestLimits;

  /** `token` is the access token that the guest agent knows, empty before its first init. */
  constructor(host: string, port: number, token: string, limits: Partial<GuestLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#requests = new GuestRequests(host, port, token, this.#connections);
    const signs = {
      probe: () => this.health(),
      processorMs: this.#limits.processorMs,
      hasHung: () => this.hasHung(),
    };
    this.commands = new GuestCommands(this.#requests, this.#limits, signs);
    this.filesystem = new GuestFilesystem(guestTransport(this.#requests, { maxJson: MAX_LIST_JSON }));
    this.files = new FileTransfers(this.#requests, this.#limits);
  }

  /** Resolves when the guest agent answers, rejects with `guest_unreachable` otherwise. */
  async health(limitMs = this.#limits.healthMs): Promise<void> {
    const { status } = await this.#requests.ask(
      // Not longer on a busy host: it is asked again and again there.
      { method: "GET", path: "/health", signal: AbortSignal.timeout(limitMs) },
      MAX_JSON,
    );
    if (status !== 204) throw unreachable(new Error(`/health answered ${status}`));
  }

  /**
   * Gives the microVM its identity, time and random state. Throws unless the guest agent confirms each of them; from
   * then on the client uses the new token. One that answers nothing while its vCPUs rest is given up before the limit.
   * Aborting `signal` ends the wait, as in `freeze` and `unfreeze`.
   */
  async init(identity: GuestIdentity, limitMs = INIT_LIMIT_MS, signal?: AbortSignal): Promise<InitConfirmation> {
    const body = JSON.stringify({
      timestamp: new Date().toISOString(),
      accessToken: identity.token,
      envVars: identity.env,
      defaultUser: identity.defaultUser,
      hostname: identity.hostname,
      sandboxId: identity.sandboxId,
      templateId: identity.templateId,
      // Each init follows a start, a restore or a hand-over: connections from before it lead nowhere, and a process whose
      // output nobody takes would stand still.
      lifecycleID: randomUUID(),
      entropy: Buffer.from(identity.entropy).toString("base64"),
    });
    const headers = { "content-type": "application/json", accept: "application/json" };
    const dead = new AbortController();
    const over = AbortSignal.any([AbortSignal.timeout(limitMs * hostLoad()), dead.signal, ...(signal ? [signal] : [])]);
    const answer = await whileAlive(
      this.#requests.ask({ method: "POST", path: "/init", headers, signal: over }, MAX_JSON, body),
      // Its vCPUs are not looked at: whoever gives an identity is at an operation that the look would wait for.
      { probe: () => this.health(), processorMs: this.#limits.processorMs, hasHung: async () => false },
      this.#limits,
      (reason) => dead.abort(reason),
    );
    if (answer.status !== 200) {
      throw new WarrenError("agent_error", `the guest agent refused its identity: ${errorMessage(answer.body)}`);
    }
    const confirmation = (parseJson(answer.body) ?? {}) as InitConfirmation;
    if (
      confirmation.sandboxId !== identity.sandboxId ||
      confirmation.hostname !== identity.hostname ||
      confirmation.entropyBytes !== identity.entropy.length ||
      !isOnTime(confirmation.clockOffsetMs)
    ) {
      throw new WarrenError("agent_error", "the guest agent did not confirm its new identity and clock");
    }
    this.#requests.token = identity.token;
    return confirmation;
  }

  /** Bytes of memory that are in use in the guest, as its agent says. Asked once, and no sign of life is made of it. */
  async memoryInUse(): Promise<number | undefined> {
    const signal = AbortSignal.timeout(METRICS_LIMIT_MS);
    const { status, body } = await this.#requests.ask({ method: "GET", path: "/metrics", signal }, MAX_JSON);
    if (status !== 200) return undefined;
    const { mem_used: used } = (parseJson(body) ?? {}) as { mem_used?: unknown };
    return Number.isSafeInteger(used) && (used as number) >= 0 ? (used as number) : undefined;
  }

  /** Puts all processes of the guest but its agent to sleep, until `unfreeze` or `init`. */
  freeze(signal?: AbortSignal): Promise<void> {
    return this.#post("/freeze", signal);
  }

  /** Wakes them up; does nothing when they are awake. */
  unfreeze(signal?: AbortSignal): Promise<void> {
    return this.#post("/unfreeze", signal);
  }

  /** Ends all calls with `guest_unreachable`, those under way and those to come: the microVM has ended or is let go. */
  close(): void {
    this.#connections.close();
  }

  async #post(path: string, signal?: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(this.#limits.unaryMs * hostLoad());
    const over = signal ? AbortSignal.any([limit, signal]) : limit;
    const { status, body } = await this.#requests.ask({ method: "POST", path, signal: over }, MAX_JSON);
    if (status < 300) return;
    throw new WarrenError("agent_error", `the guest agent answered ${status} to ${path}: ${errorMessage(body)}`);
  }
}

/** Whether the clock of a guest is off by little; what a guest says may be anything. */
function isOnTime(offsetMs: unknown): boolean {
  return typeof offsetMs === "number" && Math.abs(offsetMs) <= MAX_CLOCK_OFFSET_MS;
}
