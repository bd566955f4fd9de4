import type { AuthResponse, LogIn, SetUp, SignInOptions, SignUp } from "@warren/contracts/rest/accounts";
import type { ConfirmPasswordReset } from "@warren/contracts/rest/password-reset";
import type { Transport } from "./transport.ts";

/** How a person comes to a session, whose token is what `Warren` takes as `sessionToken`. None of it needs a credential. */
export class SignIn {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What the server offers. */
  options(signal?: AbortSignal): Promise<SignInOptions> {
    return this.#transport.json({ method: "GET", path: "/v1/auth/options", safe: true, signal });
  }

  /** Makes an account with a team of its own; throws `email_taken`, or `signup_closed`. */
  signUp(account: Omit<SignUp, "cookie">, signal?: AbortSignal): Promise<AuthResponse> {
    return this.#post("/v1/auth/signup", account, signal);
  }

  /** Makes the first account, with the token of the link that the server's operator has; throws `link_invalid`. */
  setUp(account: Omit<SetUp, "cookie">, signal?: AbortSignal): Promise<AuthResponse> {
    return this.#post("/v1/auth/setup", account, signal);
  }

  /** Opens a session; throws `unauthorized` when address or password are not right. */
  logIn(credentials: Omit<LogIn, "cookie">, signal?: AbortSignal): Promise<AuthResponse> {
    return this.#post("/v1/auth/login", credentials, signal);
  }

  /** Asks for a mail by which a new password can be set; resolves whether or not the address has an account. */
  async requestPasswordReset(email: string, signal?: AbortSignal): Promise<void> {
    await this.#post("/v1/me/password/reset", { email }, signal);
  }

  /** Sets a new password with the token of the mail, and ends all sessions; throws `link_invalid`. */
  async resetPassword(request: ConfirmPasswordReset, signal?: AbortSignal): Promise<void> {
    await this.#post("/v1/me/password/reset/confirm", request, signal);
  }

  #post<T>(path: string, json: unknown, signal: AbortSignal | undefined): Promise<T> {
    return this.#transport.json({ method: "POST", path, json, signal });
  }
}
