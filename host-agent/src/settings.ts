import { WarrenError } from "@warren/contracts/errors";
import {
  type MetricsSettings,
  metricsSettings,
  parseMetricsAddress,
  parseMetricsToken,
} from "@warren/server/metrics-settings";
import { SILENCE_MS } from "./guest/liveness.ts";
import type { SlotNetworks } from "./network/addresses.ts";

/** What an operator can set by environment variables; docs/install.md lists them. */
export interface HostSettings {
  /** `WARREN_GUEST_DNS`: name servers of the guests, IPv4 addresses, separated by commas. */
  dns: string[];
  /** `WARREN_GUEST_NETWORK` and `WARREN_LINK_NETWORK`: address blocks of the slots, both or neither. */
  networks?: SlotNetworks;
  /** `WARREN_SPARE_SLOTS`: network slots kept ready, 0 to 64. */
  spareSlots: number;
  /** `WARREN_MEMORY_OVERCOMMIT`: guest memory that may be promised, as a multiple of the host's, 0.1 to 16. */
  memoryOvercommit: number;
  /** `WARREN_MAX_SANDBOXES`: sandboxes with a microVM at the same time, 1 to 32767. */
  maxSandboxes: number;
  /** `WARREN_DISK_RESERVE_MB`: disk that stays free, MiB, 16 to 1048576. */
  diskReserveBytes: number;
  /** `WARREN_DISK_LIMIT_GB`: GiB that sandboxes, snapshots and templates may take; undefined = as many as there are. */
  diskLimitGb?: number;
  /** `WARREN_WARM_POOL`: sandboxes of each template in use that stand ready at most, 0 to 64. */
  warmPool: number;
  /** `WARREN_WARM_POOL_MEMORY_MB`: guest memory that all of them may have together, MiB; undefined = by the host's. */
  warmPoolMemoryMb?: number;
  /** `WARREN_MEMORY_IMAGE_CACHE_MB`: disk for memory put together ahead of its use, in MiB. */
  imageCacheBytes: number;
  /** `WARREN_COLD_BOOT`: 1 = sandboxes of the built-in template boot, rather than go on from its snapshot. */
  coldBoot: boolean;
  /** `WARREN_WITH_NODE`: 1 = the built-in template holds Node and npm as well. */
  withNode: boolean;
  /** `WARREN_BOOT_LIMIT_SEC`: seconds that a microVM may take to boot, 1 to 600; undefined = by accelerator. */
  bootLimitMs?: number;
  /** `WARREN_METRICS_TOKEN` and `WARREN_HOST_METRICS_LISTEN`: who may read the metrics, and where; absent = nobody. */
  metrics?: MetricsSettings;
  /** `WARREN_GUEST_SILENCE_SEC`: seconds for which a guest that does nothing may leave calls unanswered, 1 to 600. */
  guestSilenceMs: number;
  /**
   * `WARREN_PAUSE_ALL_AFTER`: signs of life in a row that come to nothing, after which all sandboxes are paused, 1 to 1000; 0 =
   * they never are; undefined = by how the control plane reaches the host.
   */
  pauseAllAfter?: number;
  /** `WARREN_METRICS_INTERVAL_SEC`: seconds between two measurements of what sandboxes use, 0.1 to 3600. */
  metricsIntervalMs: number;
}

/** Reads the settings. Throws `invalid_request` that names the variable. */
export function readSettings(environment: NodeJS.ProcessEnv): HostSettings {
  const text = (name: string) => environment[name]?.trim() || undefined;
  const guests = text("WARREN_GUEST_NETWORK");
  const links = text("WARREN_LINK_NETWORK");
  if (Boolean(guests) !== Boolean(links)) {
    throw new WarrenError("invalid_request", "set both WARREN_GUEST_NETWORK and WARREN_LINK_NETWORK, or neither");
  }
  const bootLimit = number("WARREN_BOOT_LIMIT_SEC", text("WARREN_BOOT_LIMIT_SEC"), undefined, 1, 600);
  const poolMemory = "WARREN_WARM_POOL_MEMORY_MB";
  const warmPoolMemoryMb = number(poolMemory, text(poolMemory), undefined, 0, 16_777_216);
  const diskLimitGb = number("WARREN_DISK_LIMIT_GB", text("WARREN_DISK_LIMIT_GB"), undefined, 0.1, 1_048_576);
  const metrics = readMetrics(text("WARREN_METRICS_TOKEN"), text("WARREN_HOST_METRICS_LISTEN"));
  const pauseAllAfter = number("WARREN_PAUSE_ALL_AFTER", text("WARREN_PAUSE_ALL_AFTER"), undefined, 0, 1000);
  const silence = "WARREN_GUEST_SILENCE_SEC";
  const interval = "WARREN_METRICS_INTERVAL_SEC";
  return {
    metricsIntervalMs: number(interval, text(interval), 10, 0.1, 3600) * 1000,
    guestSilenceMs: number(silence, text(silence), SILENCE_MS / 1000, 1, 600) * 1000,
    dns: (text("WARREN_GUEST_DNS") ?? "8.8.8.8,8.8.4.4").split(",").map((address) => address.trim()),
    ...(guests && links ? { networks: { guests, links } } : {}),
    spareSlots: Math.floor(number("WARREN_SPARE_SLOTS", text("WARREN_SPARE_SLOTS"), 4, 0, 64)),
    memoryOvercommit: number("WARREN_MEMORY_OVERCOMMIT", text("WARREN_MEMORY_OVERCOMMIT"), 2, 0.1, 16),
    maxSandboxes: Math.floor(number("WARREN_MAX_SANDBOXES", text("WARREN_MAX_SANDBOXES"), 1024, 1, 32_767)),
    warmPool: Math.floor(number("WARREN_WARM_POOL", text("WARREN_WARM_POOL"), 1, 0, 64)),
    diskReserveBytes: number("WARREN_DISK_RESERVE_MB", text("WARREN_DISK_RESERVE_MB"), 1024, 16, 1_048_576) * 1024 ** 2,
    imageCacheBytes:
      number("WARREN_MEMORY_IMAGE_CACHE_MB", text("WARREN_MEMORY_IMAGE_CACHE_MB"), 8192, 0, 1_048_576) * 1024 ** 2,
    coldBoot: flag("WARREN_COLD_BOOT", text("WARREN_COLD_BOOT")),
    withNode: flag("WARREN_WITH_NODE", text("WARREN_WITH_NODE")),
    ...(pauseAllAfter === undefined ? {} : { pauseAllAfter: Math.ceil(pauseAllAfter) }),
    ...(warmPoolMemoryMb === undefined ? {} : { warmPoolMemoryMb }),
    ...(diskLimitGb === undefined ? {} : { diskLimitGb }),
    ...(metrics && { metrics }),
    ...(bootLimit === undefined ? {} : { bootLimitMs: bootLimit * 1000 }),
  };
}

function readMetrics(token: string | undefined, listen: string | undefined): MetricsSettings | undefined {
  const shown = checked("WARREN_METRICS_TOKEN", () => token && parseMetricsToken(token));
  return checked("WARREN_HOST_METRICS_LISTEN", () =>
    metricsSettings(shown || undefined, listen === undefined ? undefined : parseMetricsAddress(listen)),
  );
}

/** Reads a setting by a parser whose errors say what is wrong with it. */
function checked<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new WarrenError("invalid_request", `${name}: ${(error as Error).message}`);
  }
}

function flag(name: string, text: string | undefined): boolean {
  if (text === undefined || text === "0") return false;
  if (text === "1") return true;
  throw new WarrenError("invalid_request", `${name} must be 0 or 1, not "${text}"`);
}

function number<T extends number | undefined>(
  name: string,
  text: string | undefined,
  fallback: T,
  min: number,
  max: number,
): number | T {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new WarrenError("invalid_request", `${name} must be a number from ${min} to ${max}, not "${text}"`);
}
