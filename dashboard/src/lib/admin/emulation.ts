import type { Schemas } from "#lib/api/client.ts";

type Host = Pick<Schemas["AdminHost"], "status" | "accelerator" | "emulation_reason">;

/** What follows of a reason in its first words, such as what a kernel printed: the list of hosts has all of it. */
const PARTICULARS = /(?:;.*|\.)$/s;

/** What administrators are told of hosts that emulate the processors of capsules, and what helps; undefined where none does. */
export function emulationNotice(hosts: readonly Host[]): string | undefined {
  const online = hosts.filter(({ status }) => status === "online");
  const emulating = online.filter(({ accelerator }) => accelerator === "tcg");
  if (emulating.length === 0) return undefined;
  const where = online.length === 1 ? "" : ` on ${emulating.length} of ${online.length} hosts`;
  const why = emulating.find(({ emulation_reason }) => emulation_reason !== undefined)?.emulation_reason;
  const because = why === undefined ? "" : `: ${why.replace(PARTICULARS, "")}`;
  return (
    `Capsules run emulated${where}, many times slower than on KVM${because}. ` +
    "What helps is a machine with a /dev/kvm that works: of a virtual one, its nested virtualization."
  );
}
