import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash, type Options, parseOptions, verify } from "@node-rs/argon2";

/** Argon2id parameters that OWASP's Password Storage Cheat Sheet recommends first. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } satisfies Options;

/** Hashes passwords with argon2id, a few at a time: each takes 19 MiB and a thread of the pool that files share. */
export class PasswordHasher {
  readonly #cost: typeof COST;
  readonly #places: Places;
  readonly #nobody: Promise<string>;

  constructor(options: { cost?: typeof COST; concurrency?: number } = {}) {
    this.#cost = options.cost ?? COST;
    this.#places = new Places(options.concurrency ?? Math.max(1, Math.min(3, availableParallelism() - 1)));
    this.#nobody = this.hash(randomBytes(32).toString("base64"));
  }

  /** The PHC string of a password. */
  hash(password: string): Promise<string> {
    return this.#places.run(() => hash(canonical(password), this.#cost));
  }

  /**
   * Whether a password belongs to a hash. Without a hash the password of nobody is compared, which takes the same time,
   * and the answer is no.
   */
  async verify(passwordHash: string | null | undefined, password: string): Promise<boolean> {
    const against = passwordHash ?? (await this.#nobody);
    const matches = await this.#places.run(() => verify(against, canonical(password)));
    return matches && passwordHash != null;
  }

  /** Whether a hash was made with other parameters than new ones are. */
  isOutdated(passwordHash: string): boolean {
    const { memoryCost, timeCost, parallelism } = parseOptions(passwordHash);
    return (
      memoryCost !== this.#cost.memoryCost || timeCost !== this.#cost.timeCost || parallelism !== this.#cost.parallelism
    );
  }
}

/** One form for texts that keyboards encode differently (RFC 8265, section 4.2). */
function canonical(password: string): string {
  return password.normalize("NFC");
}

/** Lets a bounded number of tasks run at once; the others wait in order. */
class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
