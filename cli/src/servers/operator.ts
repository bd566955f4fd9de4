import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import type {
  AdminTeam,
  AdminUser,
  CreateAdmin,
  ResetPassword,
  SetAdmin,
  SetupLink,
} from "@warren/contracts/rest/admin";
import { OPERATOR_SOCKET } from "@warren/contracts/rest/admin";
import type { SetTeamQuota, TeamQuota } from "@warren/contracts/rest/quotas";
import type { SetUsageLimits, UsageLimits } from "@warren/contracts/rest/usage-limits";
import { type Hosts, Warren } from "@warren/sdk";

/** The hosts of a running server, as its operator manages them; throws when this user cannot open its socket. */
export async function hostsOfOperator(dataDir: string): Promise<Hosts> {
  const socketPath = join(dataDir, OPERATOR_SOCKET);
  try {
    await access(socketPath, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw explain(socketPath, error as NodeJS.ErrnoException);
  }
  return new Warren({ url: "http://localhost", socketPath }).hosts;
}

/** Client of the socket on which a running server serves the operator of its machine. */
export class Operator {
  readonly #socketPath: string;

  constructor(dataDir: string) {
    this.#socketPath = join(dataDir, OPERATOR_SOCKET);
  }

  users(): Promise<AdminUser[]> {
    return this.#call("GET", "/users");
  }

  teams(): Promise<AdminTeam[]> {
    return this.#call("GET", "/teams");
  }

  createAdmin(account: CreateAdmin): Promise<void> {
    return this.#call("POST", "/admins", account);
  }

  /** A link to the page that makes the first account; throws `conflict` once somebody administers the server. */
  setupLink(): Promise<SetupLink> {
    return this.#call("POST", "/setup-link");
  }

  grant(user: SetAdmin): Promise<void> {
    return this.#call("POST", "/grant", user);
  }

  revoke(user: SetAdmin): Promise<void> {
    return this.#call("POST", "/revoke", user);
  }

  setDeactivated(email: string, isDeactivated: boolean): Promise<void> {
    return this.#call("POST", isDeactivated ? "/deactivate" : "/activate", { email });
  }

  resetPassword(user: ResetPassword): Promise<void> {
    return this.#call("POST", "/password", user);
  }

  setByoc(slug: string, isByoc: boolean): Promise<void> {
    return this.#call("PUT", `/teams/${encodeURIComponent(slug)}/byoc`, { is_byoc: isByoc });
  }

  quota(slug: string): Promise<TeamQuota> {
    return this.#call("GET", `/teams/${encodeURIComponent(slug)}/quota`);
  }

  setQuota(slug: string, limits: SetTeamQuota): Promise<TeamQuota> {
    return this.#call("PUT", `/teams/${encodeURIComponent(slug)}/quota`, limits);
  }

  usageLimits(slug: string): Promise<UsageLimits> {
    return this.#call("GET", `/teams/${encodeURIComponent(slug)}/usage-limits`);
  }

  setUsageLimits(slug: string, limits: SetUsageLimits): Promise<UsageLimits> {
    return this.#call("PUT", `/teams/${encodeURIComponent(slug)}/usage-limits`, limits);
  }

  rotateKeys(revoke: boolean): Promise<void> {
    return this.#call("POST", "/signing-keys", { revoke });
  }

  #call<T>(method: string, path: string, body?: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const headers = body ? { "content-type": "application/json" } : {};
      const call = request({ socketPath: this.#socketPath, method, path, headers });
      call.once("error", (error) => reject(explain(this.#socketPath, error)));
      call.once("response", (response) => {
        if (response.statusCode === 204) resolve(undefined as T);
        else
          json(response)
            .then((answer) => resolve(readAnswer<T>(response.statusCode!, answer)))
            .catch(reject);
      });
      call.end(body && JSON.stringify(body));
    });
  }
}

function explain(socketPath: string, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return new Error(`No Warren server listens at ${socketPath}: start it, or name its --data-dir.`);
    case "EACCES":
      return new Error(`${socketPath} is for the server's user and root only: use sudo.`);
    default:
      return error;
  }
}

function readAnswer<T>(status: number, answer: unknown): T {
  if (status < 400) return answer as T;
  const { error } = answer as { error?: { code?: string; message?: string } };
  const message = error?.message ?? `The server answered ${status}.`;
  throw new WarrenError(error?.code !== undefined && isErrorCode(error.code) ? error.code : "internal_error", message);
}
