import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { type SandboxSpec as HostSpec, SandboxSpecSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { DEFAULT_SPEC, SandboxSpec, SandboxSettings as Settings } from "@warren/contracts/rest/sandbox-spec";

/** Version of a spec in the database; a field more is no other version. */
const SPEC_VERSION = 1;

/** A spec as the database has it; fields that are newer than the row are absent. */
export type StoredSpec = { version: typeof SPEC_VERSION } & Partial<SandboxSpec>;

/** The spec of a sandbox as the database takes it; JSON. */
export function storedSpec(spec: SandboxSpec): string {
  return JSON.stringify({ version: SPEC_VERSION, ...spec } satisfies StoredSpec);
}

/** The spec of a sandbox. */
export function specOf({ spec: { version: _, ...fields } }: { spec: StoredSpec }): SandboxSpec {
  return { ...DEFAULT_SPEC, ...fields };
}

/** What a request wants of a new sandbox, with defaults for the rest. */
export function requestedSpec(request: Partial<SandboxSpec>): SandboxSpec {
  const names = Object.keys(SandboxSpec.properties) as (keyof SandboxSpec)[];
  const asked = names.filter((name) => request[name] !== undefined).map((name) => [name, request[name]]);
  return { ...DEFAULT_SPEC, ...Object.fromEntries(asked) };
}

/** A spec, or what is to change of one, as hosts are told: all but which host it is to be. */
export function toHostSpec({ host_tags: _, ...told }: Partial<SandboxSpec>): HostSpec {
  return fromJson(SandboxSpecSchema, told as JsonObject);
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
