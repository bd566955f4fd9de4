import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

/**
 * User and group ids of microVMs: that of slot n is the first plus n. Slots are unique on a machine, so these are too. They are
 * above what others give by themselves: useradd to containers of users (SUB_UID_MAX of login.defs(5), 600,100,000), systemd
 * (up to 1,879,048,191 and from 2,147,418,112 on, "Users, Groups, UIDs and GIDs on systemd Systems") and SSSD to users of a
 * directory (up to 2,000,200,000, ldap_idmap_range_max of sssd-ldap(5)).
 */
const FIRST_UID = 2_100_000_000;
/** The highest slot is 32,767, see network/addresses.ts. */
const LAST_UID = FIRST_UID + 32_767;

/** Somebody to whom the machine has given an id of microVMs. */
export interface IdOwner {
  name: string;
  /** File that says so. */
  file: string;
}

/** The user and group id of the microVM in a slot. */
export function userIdOf(slot: number): number {
  return FIRST_UID + slot;
}

/** Columns, from 0, of the ids that an account or a group has. */
const SINGLE = { passwd: [2, 3], group: [2] };
/** Files of ranges that users may give to their containers: name, first id, number of ids (subuid(5)). */
const RANGES = ["subuid", "subgid"];

/** All to whom files of `etc` give ids of microVMs: their processes and microVMs could reach, and be taken for, each other. */
export async function findOwners(etc = "/etc"): Promise<IdOwner[]> {
  const single = Object.entries(SINGLE).map(([file, columns]) =>
    ownersIn(join(etc, file), (fields) => columns.some((column) => overlaps(Number(fields[column] || Number.NaN), 1))),
  );
  const ranges = RANGES.map((file) =>
    ownersIn(join(etc, file), ([, first, count]) => overlaps(Number(first), Number(count))),
  );
  return (await Promise.all([...single, ...ranges])).flat();
}

/** Throws when somebody else of this machine has ids of microVMs. */
export async function requireOwnUserIds(etc?: string): Promise<void> {
  const owners = await findOwners(etc);
  if (owners.length === 0) return;
  throw new WarrenError("conflict", `${describeOwners(owners)}: ${REMEDY}`);
}

/** What to do about it. */
export const REMEDY =
  "microVMs and processes of these users could reach each other; give them other ids (usermod --del-subuids, --add-subuids)";

/** Who has ids of microVMs, in words. */
export function describeOwners(owners: IdOwner[]): string {
  const names = owners.map(({ name, file }) => `${name} (${file})`).join(", ");
  return `the user ids ${FIRST_UID} to ${LAST_UID}, which are for microVMs, are also those of ${names}`;
}

async function ownersIn(file: string, isOne: (fields: string[]) => boolean): Promise<IdOwner[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n").map((line) => line.split(":"));
  return lines.filter(isOne).map(([name = ""]) => ({ name, file }));
}

function overlaps(first: number, count: number): boolean {
  return first <= LAST_UID && first + count > FIRST_UID;
}
