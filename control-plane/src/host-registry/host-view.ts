import type { Host, HostCredentials, HostDetails } from "@warren/contracts/rest/hosts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { Credentials } from "./registration.ts";
import type { HostRow } from "./registry-store.ts";

/** A host as clients see it. What is not known (yet) is left out. */
export function toHost(row: HostRow): Host {
  const { version, vmm, accelerator, emulation_reason = "", load } = row.metadata;
  return {
    id: toWireId("host", row.id),
    type: row.type,
    ...(row.team_id !== null && { team_id: toWireId("team", row.team_id) }),
    ...(row.provider !== "" && { provider: row.provider }),
    ...(row.availability_zone !== "" && { availability_zone: row.availability_zone }),
    ...(row.arch !== "" && { arch: row.arch }),
    ...(row.cpu_cores > 0 && { cpu_cores: row.cpu_cores }),
    ...(row.memory_mb > 0 && { memory_mb: row.memory_mb }),
    ...(row.disk_gb > 0 && { disk_gb: row.disk_gb }),
    ...(row.address !== "" && { address: row.address }),
    status: row.status,
    ...(row.last_heartbeat_at && { last_heartbeat_at: row.last_heartbeat_at.toISOString() }),
    ...(version !== undefined && { version }),
    ...(vmm !== undefined && { vmm }),
    ...(accelerator !== undefined && { accelerator }),
    ...(emulation_reason !== "" && { emulation_reason }),
    ...(load && { load }),
    ...(row.created_by !== null && { created_by: toWireId("usr", row.created_by) }),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function toHostDetails(row: HostRow): HostDetails {
  const templates = (row.metadata.templates ?? []).map(({ team_id, name }) => ({
    ...(team_id !== undefined && { team_id: toWireId("team", team_id) }),
    name,
  }));
  return { ...toHost(row), templates };
}

export function toCredentials({ host, token, refreshToken, issued }: Credentials): HostCredentials {
  const certificate = issued && { cert_pem: issued.certificate, ca_cert_pem: issued.authority };
  return { host: toHost(host), token, refresh_token: refreshToken, ...certificate };
}
