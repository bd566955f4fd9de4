/** The program of the host agent with microVMs of the fake VMM, for tests that start and kill it. */
import { runHostAgent } from "../program.ts";
import { FAKE_MACHINERY } from "./fake-machinery.ts";

await runHostAgent(FAKE_MACHINERY);
