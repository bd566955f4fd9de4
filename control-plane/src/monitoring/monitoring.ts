import type {} from "@fastify/websocket";
import { METRICS_PATH, MetricsPage, type MetricsServer, serveMetrics } from "@warren/server/metrics-page";
import type { MetricsSettings } from "@warren/server/metrics-settings";
import { ServerMetrics } from "@warren/server/server-metrics";
import type { AuditOutbox } from "../audit/audit-outbox.ts";
import type { Database } from "../database/database.ts";
import type { Db } from "../database/tables.ts";
import type { DetachedOperations } from "../detached-operations.ts";
import type { EventFeed } from "../events/event-feed.ts";
import type { HostMonitor } from "../hosts/host-monitor.ts";
import type { App } from "../http/app-types.ts";
import type { OpenRequests } from "../http/open-requests.ts";
import type { Logger } from "../logging.ts";
import { measureAudit } from "./audit-metrics.ts";
import { measureDatabase } from "./database-metrics.ts";
import { measureHttp } from "./http-metrics.ts";

/** What is measured. */
export interface MonitoredParts {
  database: Database;
  db: Db;
  operations: DetachedOperations;
  monitor: HostMonitor;
  auditOutbox: AuditOutbox;
  events: EventFeed;
}

/** The metrics of a control plane, for whoever the settings let read them. */
export class Monitoring {
  readonly #settings: MetricsSettings;
  readonly #metrics: ServerMetrics;
  readonly #page: MetricsPage;

  private constructor(settings: MetricsSettings, metrics: ServerMetrics, log: Logger) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#page = new MetricsPage(metrics, settings.token, log);
  }

  static async open(
    settings: MetricsSettings,
    { version, log, ...parts }: MonitoredParts & { version: string; log: Logger },
  ): Promise<Monitoring> {
    const metrics = await ServerMetrics.open("warren_control_plane", version);
    measureDatabase(metrics, parts, log);
    measureVisits(metrics, parts.monitor);
    measureAudit(metrics, parts.auditOutbox, log);
    measureEvents(metrics, parts.events);
    const { operations } = parts;
    const told = operations.onEnd;
    operations.onEnd = (ended, subject) => {
      told(ended, subject);
      metrics.operation(ended);
    };
    return new Monitoring(settings, metrics, log);
  }

  /** Measures the requests of a server whose routes are yet to be registered; serves the page there for readers with the token. */
  follow(app: App, requests: OpenRequests): void {
    measureHttp(this.#metrics, app, requests);
    if (this.#settings.token === undefined) return;
    app.get(METRICS_PATH, { schema: { hide: true } }, async (request, reply) => {
      reply.hijack();
      await this.#page.answer(request.raw, reply.raw);
    });
  }

  /** Serves the page at an address of its own, where the settings name one. */
  async serve(): Promise<MetricsServer | undefined> {
    const { listen } = this.#settings;
    return listen && serveMetrics(this.#page, listen, "WARREN_METRICS_LISTEN");
  }
}

function measureEvents(metrics: ServerMetrics, events: EventFeed): void {
  const open = metrics.gauge({ name: "event_streams_open", help: "Clients that follow what changes in their teams" });
  metrics.beforeReading(() => open.set(events.followers));
}

function measureVisits(metrics: ServerMetrics, monitor: HostMonitor): void {
  const visits = metrics.histogram("request", {
    name: "host_visit_duration_seconds",
    help: "Visits to hosts, which compare their sandboxes with the database, by whether the host answered",
    labels: ["answered"],
  });
  monitor.onVisit = (answered, ms) => visits.observe({ answered: String(answered) }, ms / 1000);
}
