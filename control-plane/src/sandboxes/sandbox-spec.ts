import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { type SandboxSpec as HostSpec, SandboxSpecSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { type SandboxSpec, SandboxSettings as Settings } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxRow } from "./sandbox-store.ts";

/** The spec of a sandbox. */
export function specOf(row: SandboxRow): SandboxSpec {
  const { template, vcpus, memory_mb, timeout_sec, on_timeout, auto_resume } = row;
  return { template, vcpus, memory_mb, timeout_sec, on_timeout, auto_resume };
}

/** A spec, or what is to change of one, as hosts are told. */
export function toHostSpec(spec: Partial<SandboxSpec>): HostSpec {
  return fromJson(SandboxSpecSchema, spec as JsonObject);
}

/** Settings by which a host acts and that differ from these; undefined when there are none. */
export function differingSettings(reported: HostSpec | undefined, own: Settings): Partial<Settings> | undefined {
  if (!reported) return undefined;
  const said = toJson(SandboxSpecSchema, reported, { useProtoFieldName: true }) as Partial<Settings>;
  const names = Object.keys(Settings.properties) as (keyof Settings)[];
  const differing = names.filter((name) => said[name] !== undefined && said[name] !== own[name]);
  if (differing.length === 0) return undefined;
  return Object.fromEntries(differing.map((name) => [name, said[name]]));
}
