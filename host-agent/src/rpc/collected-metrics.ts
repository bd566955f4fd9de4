import type { MetricsCursor } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { MetricPoint, UsedDay } from "../sandboxes/metrics/ledger.ts";
import type { SandboxService } from "../sandboxes/service.ts";

/** The answer to whoever collects what sandboxes have used. */
export function collectedMetrics(sandboxes: SandboxService, acknowledged: MetricsCursor | undefined) {
  const { points, usage, cursor, more } = sandboxes.collectMetrics(
    acknowledged && {
      ledger: acknowledged.ledger,
      points: Number(acknowledged.points),
      usage: Number(acknowledged.usage),
    },
  );
  return {
    points: points.map(pointMessage),
    usage: usage.map(usageMessage),
    cursor: { ledger: cursor.ledger, points: whole(cursor.points), usage: whole(cursor.usage) },
    more,
  };
}

function pointMessage({ memoryBytes, ...point }: MetricPoint) {
  return {
    sandboxId: point.sandboxId,
    atUnixMs: whole(point.at),
    spanMs: whole(point.spanMs),
    cpuUs: whole(point.cpuUs),
    ...(memoryBytes !== undefined && { memoryBytes: whole(memoryBytes) }),
    vmmMemoryBytes: whole(point.vmmMemoryBytes),
    diskBytes: whole(point.diskBytes),
    rxBytes: whole(point.rxBytes),
    txBytes: whole(point.txBytes),
  };
}

function usageMessage({ sandboxId, teamId, day, ...used }: UsedDay) {
  return {
    sandboxId,
    teamId,
    day,
    cpuUs: whole(used.cpuUs),
    memoryMbMs: whole(used.memoryMbMs),
    diskMbMs: whole(used.diskMbMs),
    egressBytes: whole(used.egressBytes),
  };
}

function whole(value: number): bigint {
  return BigInt(Math.floor(value));
}
