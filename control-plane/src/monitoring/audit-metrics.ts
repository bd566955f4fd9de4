import type { ServerMetrics } from "@warren/server/server-metrics";
import type { AuditOutbox } from "../audit/audit-outbox.ts";
import type { Logger } from "../logging.ts";

/** Measures the events of the audit log that wait on the disk for the database. */
export function measureAudit(metrics: ServerMetrics, outbox: AuditOutbox, log: Logger): void {
  const bytes = metrics.gauge({
    name: "audit_outbox_bytes",
    help: "Events of the audit log that wait on the disk for the database",
  });
  const age = metrics.gauge({
    name: "audit_outbox_oldest_age_seconds",
    help: "Time since the oldest of the events that wait on the disk happened; 0 when none waits",
  });
  metrics.beforeReading(async () => {
    try {
      const { bytes: waiting, oldestAt } = await outbox.waiting();
      bytes.set(waiting);
      age.set(oldestAt === undefined ? 0 : Math.max(0, (Date.now() - oldestAt) / 1000));
    } catch (error) {
      log.warn({ err: error }, "the audit log's events that wait on the disk could not be measured");
      bytes.reset();
      age.reset();
    }
  });
}
