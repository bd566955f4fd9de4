import type { MetricSeries } from "@warren/contracts/rest/metrics";
import { STATS_RANGES, type StatsRange } from "@warren/contracts/rest/stats";
import { Command, Option } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";

/** `warren metrics`: what a sandbox uses, over a part of the past. */
export function metricsCommand(finish: (status: number) => void): Command {
  return new Command("metrics")
    .summary("what a sandbox used of processor, memory, disk and network")
    .argument("<sandbox>", "id or name")
    .addOption(dataDirOption())
    .addOption(
      new Option("--range <range>", "how far back from now")
        .choices(Object.keys(STATS_RANGES))
        .default("5m" satisfies StatsRange),
    )
    .option("--json", "print a JSON object")
    .action(
      async (sandbox: string, { dataDir, range, json }: { dataDir: string; range: StatsRange; json?: boolean }) => {
        const series = await (await findSandbox(await runningServer(dataDir), sandbox)).metrics(range);
        process.stdout.write(json ? `${jsonText(series)}\n` : metricsTable(series));
        finish(0);
      },
    );
}

const HEADINGS = ["TIME", "CPU %", "MEMORY MIB", "VMM MIB", "DISK BYTES", "RX B/S", "TX B/S"];

function metricsTable(series: MetricSeries): string {
  const rows = series.labels.map((label, index) => [
    label,
    String(series.cpu_percent[index]),
    String(series.memory_mb[index] ?? "-"),
    String(series.vmm_memory_mb[index]),
    String(series.disk_bytes[index]),
    String(series.rx_bytes_per_s[index]),
    String(series.tx_bytes_per_s[index]),
  ]);
  return table(HEADINGS, rows);
}
