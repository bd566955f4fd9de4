import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../database/testing/test-database.ts";
import { operate } from "../../testing/operate.ts";
import { PASSWORD, Person, startAccountStack } from "../../testing/person.ts";
import type { TestStack } from "../../testing/test-stack.ts";
import { type ApiDocument, ApiFuzzer, type FuzzCaller } from "./testing/api-fuzzer.ts";

/** Each round calls every operation once. */
const ROUNDS = Number(process.env.WARREN_API_FUZZ_ROUNDS ?? 5);
const SEED = Number(process.env.WARREN_API_FUZZ_SEED ?? 20_261_127);
/** Milliseconds that a round takes on a busy machine, with much to spare. */
const ROUND_MS = 180_000;

let database: TestDatabase;
let stack: TestStack;
beforeAll(async () => {
  database = await createDatabase();
  stack = await startAccountStack(database);
  // Commands of made-up names must not find a program of this machine.
  stack.host.programs = "/nonexistent";
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

/** An administrator of the platform, with a new account whenever the session of the last one has ended. */
function administrator(): FuzzCaller {
  let token: string | undefined;
  return {
    headers: async () => {
      if (token === undefined) {
        const { email } = await Person.signUp(stack);
        await operate(stack, "POST", "/grant", { email });
        token = (await Person.logIn(stack, email, PASSWORD)).token;
      }
      return { authorization: `Bearer ${token}` };
    },
    answered: (status) => {
      if (status === 401 || status === 204) token = undefined;
    },
  };
}

it(
  "every answer is one that the document of the API promises, and every request that it allows is taken",
  async () => {
    const document = (await (await fetch(`${stack.url}/openapi.json`)).json()) as ApiDocument;
    const program: FuzzCaller = {
      headers: async () => ({ "x-api-key": stack.apiKey }),
      answered: () => undefined,
    };
    const user = administrator();
    const nobody: FuzzCaller = { headers: async () => ({}), answered: () => undefined };
    const fuzzer = new ApiFuzzer(stack.url, document, [program, program, program, user, user, user, nobody]);
    console.info(`seed ${SEED}, ${ROUNDS} rounds of ${fuzzer.operations.length} operations`);
    await fuzzer.run(SEED, ROUNDS);
    expect(Object.fromEntries(fuzzer.faults)).toEqual({});
    expect(fuzzer.succeeded.size).toBeGreaterThan(fuzzer.operations.length / 4);
  },
  ROUNDS * ROUND_MS,
);
