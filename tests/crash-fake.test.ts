import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "@warren/cli/bundle-programs";
import { afterAll, beforeAll, it } from "vitest";
import { surviveKills, WITHOUT_SPARES } from "./support/crash-rounds.ts";
import { HostAgentFixture } from "./support/host-agent.ts";
import { bundleFakeHostAgent } from "./support/stack.ts";

const ROUNDS = Number(process.env.WARREN_FAKE_CRASH_ROUNDS ?? 200);
/** Code of the programs that it starts again and again. */
const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(ROOT, ".warren/compiled");
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261121);

let host: HostAgentFixture;
beforeAll(async () => {
  host = await HostAgentFixture.start(
    { ...WITHOUT_SPARES, NODE_COMPILE_CACHE },
    [],
    tmpdir(),
    await bundleFakeHostAgent(),
  );
});
afterAll(() => host?.dispose());

it(`loses nothing in ${ROUNDS} rounds of SIGKILL on the fake VMM`, { timeout: 3_600_000 }, async () => {
  await surviveKills(host, ROUNDS, SEED);
});
