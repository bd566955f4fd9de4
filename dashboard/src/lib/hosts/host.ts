import type { Schemas } from "#lib/api/client.ts";

export type HostStatus = Schemas["Host"]["status"];

/** What is to become of a host, as the last part of the address that asks for it. */
export type Duty = "drain" | "offline" | "online";

/** What each status means to the capsules on a host, or to those that are to come. */
export const MEANINGS: Record<HostStatus, string> = {
  pending: "Waits for its host agent to register.",
  online: "Takes capsules.",
  unreachable: "Has given no sign of life for 90 seconds. Its capsules are missing until it is back.",
  draining: "Takes no new capsules and no copies. Those on it go on.",
  offline: "Is out of service, or being deleted: takes no capsules, and those paused on it cannot be resumed.",
};

/** Words of a menu, and what is said once it is done. */
export const DUTIES: Record<Duty, { label: string; done: string }> = {
  drain: { label: "Drain", done: "The host takes no new capsules" },
  offline: { label: "Take out of service", done: "The host is out of service" },
  online: { label: "Bring back", done: "The host is to take capsules again" },
};

const DUTIES_IN: Record<HostStatus, readonly Duty[]> = {
  pending: [],
  online: ["drain", "offline"],
  unreachable: ["drain", "offline"],
  draining: ["online", "offline"],
  offline: ["online"],
};

/** What can be wanted of a host in a status. */
export function dutiesIn(status: HostStatus): readonly Duty[] {
  return DUTIES_IN[status];
}

/** Whether a host in a status can register, for which it needs a token. */
export function canRegister(status: HostStatus): boolean {
  return status === "pending" || status === "unreachable";
}

/** How many hosts are in which status: "2 online, 1 draining"; nothing where there are none. */
export function countsOf(hosts: readonly { status: HostStatus }[]): string {
  return (Object.keys(MEANINGS) as HostStatus[])
    .toSorted((a, b) => Number(b === "online") - Number(a === "online"))
    .map((status) => ({ status, count: hosts.filter((host) => host.status === status).length }))
    .filter(({ count }) => count > 0)
    .map(({ status, count }) => `${count} ${status === "pending" ? "not registered" : status}`)
    .join(", ");
}

/** What makes a machine the host that a token is for, typed there as root. */
export function joinCommand(origin: string, token: string): string {
  return `./warren host join --control-plane ${origin} --token ${token}`;
}
