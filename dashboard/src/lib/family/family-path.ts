/** Address of the place of a capsule, by its id, or of a template, by its name, in the family tree. */
export function familyPath(at: string): string {
  return `/dashboard/snapshots/family?at=${encodeURIComponent(at)}`;
}
