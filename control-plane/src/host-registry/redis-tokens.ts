import { createClient } from "@redis/client";
import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "../logging.ts";
import { hashToken, type OneTimeTokens } from "./one-time-tokens.ts";

/** Keys of Redis begin with this. */
const PREFIX = "host:reg:";
/** Milliseconds that Redis has to answer. */
const ANSWER_MS = 5000;
/** Milliseconds between two attempts to connect, growing up to the second one. */
const RECONNECT_MS = { first: 100, most: 5000 };

/** Keeps them in Redis, which all control planes share. */
export class RedisTokens implements OneTimeTokens {
  readonly #client: ReturnType<typeof createClient>;

  /** Begins to connect, and does so again after each loss. */
  constructor(url: string, log: Logger) {
    this.#client = createClient({
      url,
      // A call while Redis is away is refused at once, rather than when it is back.
      disableOfflineQueue: true,
      commandOptions: { timeout: ANSWER_MS },
      socket: {
        connectTimeout: ANSWER_MS,
        reconnectStrategy: (retries) => Math.min(RECONNECT_MS.first * 2 ** Math.min(retries, 10), RECONNECT_MS.most),
      },
    });
    this.#client.on("error", (error: unknown) => log.warn({ err: error }, "Redis cannot be reached"));
    // Attempts go on until it is closed.
    this.#client.connect().catch(() => undefined);
  }

  async put(token: string, value: string, seconds: number): Promise<void> {
    await answered(this.#client.set(PREFIX + hashToken(token), value, { expiration: { type: "EX", value: seconds } }));
  }

  async take(token: string): Promise<string | undefined> {
    return (await answered(this.#client.getDel(PREFIX + hashToken(token)))) ?? undefined;
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new WarrenError("database_unavailable", "Redis does not answer; try again shortly", { cause: error });
  }
}
