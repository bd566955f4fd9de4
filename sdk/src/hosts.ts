import type {
  CreateHost,
  Host,
  HostDeletePreview,
  HostDetails,
  HostToken,
  NewHost,
} from "@warren/contracts/rest/hosts";
import type { Transport } from "./transport.ts";

/** What a new host is. */
export interface CreateHostOptions {
  /** Id of the team that has it for itself; default: all teams share it, as administrators of the platform may ask for. */
  teamId?: string;
  /** Where the machine comes from, in your own words. */
  provider?: string;
  /** Where the machine stands, in your own words. */
  availabilityZone?: string;
  signal?: AbortSignal;
}

/** How a host is deleted. */
export interface DeleteHostOptions {
  /** Destroys the sandboxes on it, and gives up its templates. */
  force?: boolean;
  signal?: AbortSignal;
}

/**
 * The machines that run sandboxes, for sessions of people: administrators of the platform see and manage all, members see those
 * of the session's team, of which its owner and admins manage them.
 */
export class Hosts {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The oldest first. */
  list(signal?: AbortSignal): Promise<Host[]> {
    return this.#transport.json({ method: "GET", path: "/v1/hosts", safe: true, signal });
  }

  /** One of them, and the templates whose files it has; throws `not_found`. */
  get(id: string, signal?: AbortSignal): Promise<HostDetails> {
    return this.#transport.json({ method: "GET", path: pathOf(id), safe: true, signal });
  }

  /** Makes a host known. Its host agent registers with the token, which is told only here, and works once and for an hour. */
  create(options: CreateHostOptions = {}): Promise<NewHost> {
    const { teamId, provider, availabilityZone, signal } = options;
    const json: CreateHost = {
      ...(teamId === undefined ? { type: "regular" } : { type: "byoc", team_id: teamId }),
      ...(provider === undefined ? {} : { provider }),
      ...(availabilityZone === undefined ? {} : { availability_zone: availabilityZone }),
    };
    return this.#transport.json({ method: "POST", path: "/v1/hosts", json, signal });
  }

  /** Another registration token, for a host that has not registered or is unreachable; throws `invalid_state`. */
  newToken(id: string, signal?: AbortSignal): Promise<HostToken> {
    return this.#post(id, "token", signal);
  }

  /** Has it take no new sandboxes; those on it go on. */
  drain(id: string, signal?: AbortSignal): Promise<Host> {
    return this.#post(id, "drain", signal);
  }

  /** Takes it out of service; throws `has_active_sandboxes` until all sandboxes on it are paused or over. */
  offline(id: string, signal?: AbortSignal): Promise<Host> {
    return this.#post(id, "offline", signal);
  }

  /** Has it take sandboxes again. */
  online(id: string, signal?: AbortSignal): Promise<Host> {
    return this.#post(id, "online", signal);
  }

  /** What would be lost with it. */
  deletePreview(id: string, signal?: AbortSignal): Promise<HostDeletePreview> {
    return this.#transport.json({ method: "GET", path: `${pathOf(id)}/delete-preview`, safe: true, signal });
  }

  /** Deletes it; throws `has_active_sandboxes`, and changes nothing, while something would be lost, unless forced. */
  async delete(id: string, { force = false, signal }: DeleteHostOptions = {}): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: `${pathOf(id)}${force ? "?force=true" : ""}`, signal });
  }

  /** What new sandboxes find it by, see `hostTags`. */
  tags(id: string, signal?: AbortSignal): Promise<string[]> {
    return this.#transport.json({ method: "GET", path: `${pathOf(id)}/tags`, safe: true, signal });
  }

  async addTag(id: string, tag: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "POST", path: `${pathOf(id)}/tags`, json: { tag }, signal });
  }

  /** Throws `not_found` when it has no such tag. */
  async removeTag(id: string, tag: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: `${pathOf(id)}/tags/${encodeURIComponent(tag)}`, signal });
  }

  #post<T>(id: string, what: string, signal: AbortSignal | undefined): Promise<T> {
    return this.#transport.json({ method: "POST", path: `${pathOf(id)}/${what}`, signal });
  }
}

function pathOf(id: string): string {
  return `/v1/hosts/${encodeURIComponent(id)}`;
}
