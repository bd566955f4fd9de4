import type { IncomingHttpHeaders } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import type { Identity } from "../callers/caller.ts";

/** Resolves the credential of a request to who makes it. */
export interface Authenticator {
  /** Throws `unauthorized` without a valid credential. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity>;
  /** The same for the credential of something under way, which was valid when it began; a renewed session still counts. */
  reauthenticate(headers: IncomingHttpHeaders): Promise<Identity>;
}

/** One kind of credential. */
export interface CredentialScheme {
  /** What to send, for the message to a caller without a credential, such as `an X-API-Key header`. */
  readonly asks: string;
  /** Resolves to undefined when the request has no credential of this kind; throws `unauthorized` when it is not valid. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity | undefined>;
  /** As `authenticate`, for a credential that was valid and may have been renewed since, under another name. */
  reauthenticate?(headers: IncomingHttpHeaders): Promise<Identity | undefined>;
}

/** Tries the schemes in order; the first whose credential is present decides. */
export class SchemeAuthenticator implements Authenticator {
  readonly #schemes: CredentialScheme[];

  constructor(schemes: CredentialScheme[]) {
    this.#schemes = schemes;
  }

  authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    return this.#first((scheme) => scheme.authenticate(headers));
  }

  reauthenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    return this.#first((scheme) => scheme.reauthenticate?.(headers) ?? scheme.authenticate(headers));
  }

  async #first(identify: (scheme: CredentialScheme) => Promise<Identity | undefined>): Promise<Identity> {
    for (const scheme of this.#schemes) {
      const identity = await identify(scheme);
      if (identity) return identity;
    }
    const asked = this.#schemes.map((scheme) => scheme.asks).join(" or ");
    throw new WarrenError("unauthorized", `the request has no credential; send ${asked}`);
  }
}
