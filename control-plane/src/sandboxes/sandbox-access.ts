import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { SANDBOX_ID } from "@warren/contracts/identifiers";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { FastifyRequest } from "fastify";
import { LRUCache } from "lru-cache";
import type { Caller } from "../callers/caller.ts";
import type { BatchedTimestamps } from "../database/batched-timestamps.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import { fromRpcError } from "../hosts/rpc-errors.ts";
import type { SandboxLocation, SandboxStore } from "./sandbox-store.ts";

/** Milliseconds for which the location of a running sandbox is reused. */
const CACHE_MS = 2000;
const CACHE_ENTRIES = 10_000;
/** What a host says of a sandbox that may have become another than the database has it for. */
const NEWS = ["not_found", "invalid_state", "guest_unreachable"] as const satisfies ErrorCode[];
/** States that a resume leads out of. */
const ASLEEP: SandboxStatus[] = ["paused", "resuming"];

/** The status of a sandbox, and why it has it when its user did not ask for that. */
type StatusAndReason = Pick<SandboxLocation, "status" | "reason">;

/** Resumes a paused sandbox of a team. */
export type Resume = (teamId: string, id: string) => Promise<unknown>;

/** Compares a host with the database at once. */
export type FollowHost = (hostId: string) => Promise<void>;

/** Finds the host of a running sandbox for calls that use the sandbox. */
export class SandboxAccess {
  readonly #pool: HostClientPool;
  readonly #activity: BatchedTimestamps;
  readonly #resume: Resume;
  readonly #follow: FollowHost;
  readonly #locations: LRUCache<string, SandboxLocation>;

  /**
   * `resume` is called for sandboxes that were made to be resumed by calls that need them, `follow` when a host says that a
   * sandbox is no longer what the database has it for.
   */
  constructor(
    store: SandboxStore,
    pool: HostClientPool,
    activity: BatchedTimestamps,
    resume: Resume,
    follow: FollowHost = async () => undefined,
  ) {
    this.#follow = follow;
    this.#pool = pool;
    this.#resume = resume;
    this.#activity = activity;
    this.#locations = new LRUCache<string, SandboxLocation>({
      max: CACHE_ENTRIES,
      ttl: CACHE_MS,
      // A location that is forgotten during its look-up still answers the calls that wait for it, and is not kept.
      ignoreFetchAbort: true,
      fetchMethod: (id) => store.locate(id),
    });
  }

  /**
   * Uses a running sandbox of the caller's team, which counts as activity at the start and at the end. Throws
   * `not_found`, `invalid_state` or `host_unavailable` when it cannot be used, and errors of the catalogue only.
   */
  async use<T>(caller: Caller, id: string, action: (host: HostClient) => Promise<T>): Promise<T> {
    const host = await this.#find(caller, id);
    this.#activity.touch(id);
    try {
      return await action(host);
    } catch (error) {
      throw await this.explain(id, fromRpcError(error), ["running"]);
    } finally {
      this.#activity.touch(id);
    }
  }

  /**
   * What an error of a sandbox's host means to the caller. A host that knows better than the database what has become of the
   * sandbox is followed, so that every later answer is the same as that of this call. `needed` are the states that the call
   * takes.
   */
  async explain(id: string, error: WarrenError, needed: SandboxStatus[]): Promise<WarrenError> {
    if (!(NEWS as readonly ErrorCode[]).includes(error.code)) return error;
    const followed = await this.#followed(id);
    if (followed === undefined || needed.includes(followed.status)) return error;
    const wrong = wrongState(followed, needed);
    // Words about the state say how it came to that.
    return error.code === "invalid_state" ? new WarrenError(wrong.code, error.message) : wrong;
  }

  /** Forgets where a sandbox is. Call it after every change of its status. */
  forget(id: string): void {
    this.#locations.delete(id);
  }

  /** A sandbox after its host has been compared with the database; undefined when there is no such sandbox. */
  async #followed(id: string): Promise<StatusAndReason | undefined> {
    const hostId = (await this.#locations.fetch(id))?.host?.id;
    if (hostId !== undefined) await this.#follow(hostId);
    this.forget(id);
    return this.#locations.fetch(id);
  }

  async #find(caller: Caller, id: string): Promise<HostClient> {
    let location = await this.#locations.fetch(id);
    if (!location || location.teamId !== caller.teamId) throw sandboxNotFound(id);
    if (location.autoResume && ASLEEP.includes(location.status)) {
      await this.#resume(caller.teamId, id);
      this.forget(id);
      location = await this.#locations.fetch(id);
      if (!location) throw sandboxNotFound(id);
    }
    if (location.status !== "running") {
      this.forget(id);
      throw wrongState(location, ["running"]);
    }
    if (!location.host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    return this.#pool.clientOf(location.host);
  }
}

/** Hook of routes of one sandbox: what cannot be the id of one is the id of none. */
export async function requireSandboxId({ params }: FastifyRequest): Promise<void> {
  const { id } = params as { id?: string };
  if (id !== undefined && !SANDBOX_ID.test(id)) throw sandboxNotFound(id);
}

/**
 * The error for a sandbox that is not in a state that a call needs, and why it is not. One that is over is still a sandbox,
 * not none.
 */
export function wrongState({ status, reason }: StatusAndReason, needed: SandboxStatus[]): WarrenError {
  const why = reason ? ` (${reason.message})` : "";
  const message = `the sandbox is ${status}${why}, and this needs it to be ${needed.join(" or ")}`;
  return new WarrenError("invalid_state", message);
}

/** The error for an id that means nothing to the caller's team. */
export function sandboxNotFound(id: string): WarrenError {
  return new WarrenError("not_found", `there is no such sandbox: ${id}`);
}
