import type { IncomingHttpHeaders } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import type { Identity } from "./caller.ts";

/** Resolves the credential of a request to who makes it. */
export interface Authenticator {
  /** Throws `unauthorized` without a valid credential. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity>;
}

/** One kind of credential. */
export interface CredentialScheme {
  /** What to send, for the message to a caller without a credential, such as `an X-API-Key header`. */
  readonly asks: string;
  /** Resolves to undefined when the request has no credential of this kind; throws `unauthorized` when it is not valid. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity | undefined>;
}

/** Tries the schemes in order; the first whose credential is present decides. */
export class SchemeAuthenticator implements Authenticator {
  readonly #schemes: CredentialScheme[];

  constructor(schemes: CredentialScheme[]) {
    this.#schemes = schemes;
  }

  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    for (const scheme of this.#schemes) {
      const identity = await scheme.authenticate(headers);
      if (identity) return identity;
    }
    const asked = this.#schemes.map((scheme) => scheme.asks).join(" or ");
    throw new WarrenError("unauthorized", `the request has no credential; send ${asked}`);
  }
}
