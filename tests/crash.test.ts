import { afterAll, beforeAll, it } from "vitest";
import { surviveKills, WITHOUT_SPARES } from "./support/crash-rounds.ts";
import { HostAgentFixture } from "./support/host-agent.ts";

const ROUNDS = Number(process.env.WARREN_CRASH_ROUNDS ?? 20);
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261121);

let host: HostAgentFixture;
beforeAll(async () => {
  host = await HostAgentFixture.start(WITHOUT_SPARES);
});
afterAll(() => host?.dispose());

it(`loses nothing in ${ROUNDS} rounds of SIGKILL, and leaks nothing`, { timeout: 3_600_000 }, async () => {
  await surviveKills(host, ROUNDS, SEED);
});
