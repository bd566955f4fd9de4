import { Warren, WarrenError, type Webhook, type Webhooks } from "@warren/sdk";
import { findLocalServer } from "./local-server.ts";

/** Which webhooks somebody manages. */
export interface WebhooksAsked {
  dataDir: string;
  /** Those of the platform, in place of those of the session's team. */
  platform?: boolean;
}

/**
 * The webhooks of the person whose session WARREN_SESSION_TOKEN is of, on the server that WARREN_URL names or else on the one that
 * `warren up` runs here on `dataDir`.
 */
export async function managedWebhooks({ dataDir, platform = false }: WebhooksAsked): Promise<Webhooks> {
  const { WARREN_URL, WARREN_SESSION_TOKEN: sessionToken } = process.env;
  if (!sessionToken) {
    throw new Error("People manage webhooks, and keys do not: set WARREN_SESSION_TOKEN to the token of your session.");
  }
  const url = WARREN_URL || (await findLocalServer(dataDir))?.url;
  if (!url)
    throw new Error(`No server: none runs on ${dataDir} (or it is not this user's), and WARREN_URL is not set.`);
  const warren = new Warren({ url, sessionToken });
  return platform ? warren.administration.webhooks : warren.webhooks;
}

/** The webhook that a user means by its id or its name; throws `not_found`, and says so when several have the name. */
export async function findWebhook(webhooks: Webhooks, idOrName: string): Promise<Webhook> {
  const all = await webhooks.list();
  const meant = all.filter(({ id, name }) => id === idOrName || name === idOrName);
  const [hook] = meant;
  if (!hook) throw new WarrenError("not_found", `There is no such webhook: ${idOrName}`);
  if (meant.length === 1) return hook;
  throw new Error(
    `Several webhooks are called ${idOrName}: name one by its id, ${meant.map(({ id }) => id).join(" or ")}.`,
  );
}
