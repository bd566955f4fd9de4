/** The program of the host agent with microVMs of the fake VMM, for tests that start and kill it. */
import { runHostAgent } from "../program.ts";
import { FAKE_PLATFORM } from "./fake-platform.ts";

await runHostAgent(FAKE_PLATFORM);
