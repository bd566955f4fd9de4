import { createServer, type Server } from "node:http";
import Provider, { type Configuration } from "oidc-provider";
import { addressOf, endServer, listenLocally } from "../../http/testing/listen-locally.ts";

/** Client that is registered at the server. */
export const OIDC_CLIENT = { clientId: "warren", clientSecret: "the secret of the client at the provider" };

/** What the server says of a user, by the name with which the user signs in there. */
export type OidcUsers = Map<string, { email?: string; email_verified?: boolean; name?: string }>;

/**
 * A real OpenID Connect provider on loopback, with forms where users sign in and consent. Any password is right. It
 * insists on PKCE.
 */
export class OidcServer {
  readonly users: OidcUsers = new Map();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(redirectUri: string): Promise<OidcServer> {
    const server = createServer();
    await listenLocally(server);
    const oidc = new OidcServer(server);
    const provider = new Provider(oidc.url, configure(oidc.users, redirectUri));
    const handler = provider.callback();
    server.on("request", (request, response) => void handler(request, response));
    return oidc;
  }

  get url(): string {
    return addressOf(this.#server);
  }

  close(): Promise<void> {
    return endServer(this.#server);
  }
}

function configure(users: OidcUsers, redirectUri: string): Configuration {
  return {
    clients: [
      {
        client_id: OIDC_CLIENT.clientId,
        client_secret: OIDC_CLIENT.clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    pkce: { required: () => true },
    cookies: { keys: ["a key of the tests"] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, ...users.get(sub) }) }),
  };
}
