import type { DeleteMe, DeletionPreview } from "@warren/contracts/rest/account-deletion";
import type { ChangePassword, Me } from "@warren/contracts/rest/accounts";
import type { LinkedProvider } from "@warren/contracts/rest/providers";
import type { UserSession } from "@warren/contracts/rest/sessions";
import type { Transport } from "./transport.ts";

/** The account of the person whose session it is; an API key has none. */
export class Account {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(signal?: AbortSignal): Promise<Me> {
    return this.#transport.json({ method: "GET", path: "/v1/me", safe: true, signal });
  }

  async rename(name: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "PATCH", path: "/v1/me", json: { name }, signal });
  }

  /** Sets the password and ends all other sessions; throws `forbidden` when the present one is not right. */
  async changePassword(change: ChangePassword, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "POST", path: "/v1/me/password", json: change, signal });
  }

  /** What `delete` would do to the teams of the account. */
  deletionPreview(signal?: AbortSignal): Promise<DeletionPreview> {
    return this.#transport.json({ method: "GET", path: "/v1/me/deletion", safe: true, signal });
  }

  /**
   * Deletes the account, at once and for good, with the teams that nobody else is in. Throws `owns_team_with_members`, and
   * `recent_login_required` when an account without a password has an older session.
   */
  async delete(confirmation: DeleteMe = {}, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: "/v1/me", json: confirmation, signal });
  }

  /** The sessions of the account, the last used first, a hundred at most. */
  sessions(signal?: AbortSignal): Promise<UserSession[]> {
    return this.#transport.json({ method: "GET", path: "/v1/me/sessions", safe: true, signal });
  }

  /** Ends a session; throws `not_found`. */
  async endSession(id: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: `/v1/me/sessions/${encodeURIComponent(id)}`, signal });
  }

  /** The providers that the server offers or offered, and those linked to the account; linking takes a browser. */
  providers(signal?: AbortSignal): Promise<LinkedProvider[]> {
    return this.#transport.json({ method: "GET", path: "/v1/me/providers", safe: true, signal });
  }

  /** Unlinks the account from a provider; throws `last_login_method` when nobody could sign in to it any more. */
  async unlinkProvider(name: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: `/v1/me/providers/${encodeURIComponent(name)}`, signal });
  }

  /** Ends this session. */
  async logOut(signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "POST", path: "/v1/auth/logout", signal });
  }

  /** Ends all sessions of the account. */
  async logOutEverywhere(signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "POST", path: "/v1/auth/logout-everywhere", signal });
  }
}
