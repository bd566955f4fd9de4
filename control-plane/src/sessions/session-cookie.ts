import { type CookieSerializeOptions, fastifyCookie } from "@fastify/cookie";
import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * The cookie that holds a browser's session: HttpOnly, so that no script reads it, and SameSite=Lax, so that no other
 * site's requests carry it, except when a user follows a link.
 */
export class SessionCookie {
  readonly #name: string;
  readonly #options: CookieSerializeOptions;

  /** `secure`: whether browsers reach the server by https, which the settings say and no header of a client. */
  constructor(secure: boolean) {
    // The prefix makes browsers refuse the cookie unless it is Secure, of this host alone and for all paths.
    this.#name = secure ? "__Host-warren_session" : "warren_session";
    this.#options = { path: "/", httpOnly: true, sameSite: "lax", secure };
  }

  /** The token in a `Cookie` header. */
  read(header: string | undefined): string | undefined {
    if (header === undefined || !header.includes(this.#name)) return undefined;
    return fastifyCookie.parse(header)[this.#name];
  }

  write(reply: FastifyReply, token: string, expiresAt: Date): void {
    reply.setCookie(this.#name, token, { ...this.#options, expires: expiresAt });
  }

  /** Whether a request's session comes from the cookie. */
  isUsedBy({ headers }: FastifyRequest): boolean {
    return headers.authorization === undefined && this.read(headers.cookie) !== undefined;
  }

  /** Removes the cookie from a browser whose session is over. */
  clearIfUsed(request: FastifyRequest, reply: FastifyReply): void {
    if (this.isUsedBy(request)) reply.clearCookie(this.#name, this.#options);
  }
}
