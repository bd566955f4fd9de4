import type { Interceptor } from "@connectrpc/connect";
import { MetricsPage, type MetricsServer, serveMetrics } from "@warren/server/metrics-page";
import type { MetricsSettings } from "@warren/server/metrics-settings";
import { ServerMetrics } from "@warren/server/server-metrics";
import { readVersion } from "@warren/server/version";
import type { Logger } from "pino";
import type { SandboxService } from "../sandboxes/service.ts";
import { measureCalls } from "./call-metrics.ts";
import { type HostDirectories, measureDisk } from "./disk-metrics.ts";
import { measureUsage } from "./usage-metrics.ts";

/** The metrics of a host agent, for whoever the settings let read them. */
export class Monitoring {
  /** Measures the calls of the service. */
  readonly interceptor: Interceptor;
  /** The page at the address of the host agent; undefined when nobody has a token for it. */
  readonly page: MetricsPage | undefined;
  readonly #server: MetricsServer | undefined;

  private constructor(metrics: ServerMetrics, page: MetricsPage | undefined, server: MetricsServer | undefined) {
    this.interceptor = measureCalls(metrics);
    this.page = page;
    this.#server = server;
  }

  /** Measures the sandboxes of a host from now on, and serves the page at the address of its own that the settings name. */
  static async open(
    settings: MetricsSettings,
    { sandboxes, directories, log }: { sandboxes: SandboxService; directories: HostDirectories; log: Logger },
  ): Promise<Monitoring> {
    const metrics = await ServerMetrics.open("warren_host", readVersion());
    measureUsage(metrics, () => sandboxes.usage());
    measureDisk(metrics, directories, log);
    sandboxes.onOperation = (ended) => metrics.operation(ended);
    const page = new MetricsPage(metrics, settings.token, log);
    const server = settings.listen && (await serveMetrics(page, settings.listen, "WARREN_HOST_METRICS_LISTEN"));
    if (server) log.info({ url: server.url }, "metrics are served");
    return new Monitoring(metrics, settings.token === undefined ? undefined : page, server);
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}
