import { api } from "./api.ts";
import { freeze } from "./freeze/freeze.ts";
import { lifecycle } from "./lifecycle.ts";
import { run } from "./run.ts";
import { streams } from "./streams.ts";

/** Benches by name. Each prints a table of figures; with `write` it is put into docs/performance.md. */
const BENCHES: Record<string, (write: boolean) => Promise<void>> = { api, freeze, lifecycle, run, streams };

const [name = "", ...options] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench || options.some((option) => option !== "--write")) {
  process.stderr.write(`usage: npm run bench -- NAME [--write]\nbenches: ${Object.keys(BENCHES).join(", ")}\n`);
  process.exit(2);
}
await bench(options.includes("--write"));
