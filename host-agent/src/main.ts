import { examineQemuHost } from "./vmm/qemu/host.ts";

// What takes its time by itself begins before the rest of the program is loaded.
const examined = process.argv[2] === "serve" ? examineQemuHost() : undefined;
// Whoever asks for it takes the error.
examined?.catch(() => undefined);
const [{ runHostAgent }, { thisPlatform }] = await Promise.all([import("./program.ts"), import("./platform.ts")]);
await runHostAgent(thisPlatform(examined));
