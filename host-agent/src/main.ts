import { runHostAgent } from "./program.ts";

await runHostAgent();
