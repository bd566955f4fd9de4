import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { api } from "./api.ts";
import { dashboard } from "./dashboard/dashboard.ts";
import { events } from "./events.ts";
import { footing } from "./footing.ts";
import { freeze } from "./freeze/freeze.ts";
import { lifecycle } from "./lifecycle.ts";
import type { BenchOptions } from "./measure/options.ts";
import { run } from "./run.ts";
import { stats } from "./stats/stats.ts";
import { storage } from "./stats/storage.ts";
import { streams } from "./streams.ts";

/** Benches by name. Each prints a table of figures. */
const BENCHES: Record<string, (options: BenchOptions) => Promise<void>> = {
  api,
  dashboard,
  events,
  footing,
  freeze,
  lifecycle,
  run,
  stats,
  storage,
  streams,
};
/** Those that can measure an older checkout as well. */
const COMPARING = ["footing"];

const { name, options } = parse(process.argv.slice(2)) ?? usage();
await BENCHES[name]!(options);

function parse(args: string[]): { name: string; options: BenchOptions } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { write: { type: "boolean", default: false }, before: { type: "string" } },
      allowPositionals: true,
    });
    const [name = "", ...more] = positionals;
    if (!Object.hasOwn(BENCHES, name) || more.length > 0) return undefined;
    if (values.before !== undefined && !COMPARING.includes(name)) return undefined;
    const before = values.before === undefined ? {} : { before: resolve(values.before) };
    return { name, options: { write: values.write, ...before } };
  } catch {
    return undefined;
  }
}

function usage(): never {
  process.stderr.write(
    `usage: npm run bench -- NAME [--write] [--before DIR]\nbenches: ${Object.keys(BENCHES).join(", ")}; of them compare with an older checkout in DIR: ${COMPARING.join(", ")}\n`,
  );
  process.exit(2);
}
