import { SignInOptions } from "@warren/contracts/rest/accounts";
import type { Routes } from "../http/app-types.ts";

/** What this server offers to whoever is not signed in. */
export interface OfferedSignIn {
  signUpOpen: boolean;
  /** Whether a lost password can be replaced by a mail. */
  passwordReset: boolean;
  providers: { name: string; label: string }[];
  /** Whether there is an account at all. */
  hasAccounts(): Promise<boolean>;
}

/** The route by which a page learns how people can sign in: anybody may call it. */
export function signInOptionsRoutes({ signUpOpen, passwordReset, providers, hasAccounts }: OfferedSignIn): Routes {
  return async (app) => {
    app.get(
      "/v1/auth/options",
      {
        schema: {
          tags: ["accounts"],
          summary: "How people can sign in to this server",
          security: [],
          response: { 200: SignInOptions },
        },
      },
      async () => ({ setup: !(await hasAccounts()), password_reset: passwordReset, sign_up: signUpOpen, providers }),
    );
  };
}
