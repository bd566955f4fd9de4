import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";

/** Milliseconds for what follows the start of the servers, such as the control plane's look at its host. */
const SETTLED_MS = 120_000;

/** What REST answered. */
export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a test knows to be there.
  body: any;
}

/** A call that the power was lost in: whether it took effect is open. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** A REST call. A connection that breaks and an error of the server are no answers. */
export async function call(
  url: string,
  headers: Record<string, string>,
  method: string,
  path: string,
  body?: object,
): Promise<Answer> {
  try {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (response.status < 500) return { status: response.status, body: text ? JSON.parse(text) : undefined };
    throw new Unanswered(`${method} ${path}: ${response.status} ${text}`);
  } catch (error) {
    if (error instanceof Unanswered) throw error;
    throw new Unanswered(`${method} ${path}: ${error}`, { cause: error });
  }
}

/** One thing that calls change, and the states that a loss of power may leave it in. */
export class Subject<State> {
  readonly name: string;
  readonly #look: () => Promise<State>;
  #possible: State[];
  #last = "nothing was asked";

  /** `look` tells the state that it is in. */
  constructor(name: string, state: State, look: () => Promise<State>) {
    this.name = name;
    this.#possible = [state];
    this.#look = look;
  }

  /** The state that it is in for certain, as long as every call was answered. */
  get state(): State {
    return this.#possible.at(-1)!;
  }

  /** Whether a call was not answered. */
  get isOpen(): boolean {
    return this.#possible.length > 1;
  }

  /** Makes a call that leads to a state; once it is answered with a success, that state alone is right. */
  async change(next: State, what: string, make: () => Promise<Answer>): Promise<Answer> {
    this.#last = `${what} was not answered`;
    this.#possible = [...this.#possible, next];
    const answer = await make();
    if (answer.status >= 300) throw new Error(`${this.name}, ${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
    this.#last = `${what} was answered`;
    this.#possible = [next];
    return answer;
  }

  /** Fails unless it is, or soon comes to be, in a state that it may be in; that one is certain from now on. */
  async verify(): Promise<void> {
    const { name } = this;
    const isPossible = (state: State) => this.#possible.some((possible) => isDeepStrictEqual(state, possible));
    await expect
      .poll(
        async () => {
          const state = await this.#look();
          if (!isPossible(state)) return { name, last: this.#last, found: state };
          this.#possible = [state];
          return { name };
        },
        { timeout: SETTLED_MS, message: `may be ${JSON.stringify(this.#possible)}` },
      )
      .toEqual({ name });
  }
}
