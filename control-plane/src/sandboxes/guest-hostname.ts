/** Characters of a label (RFC 1123, section 2.1). */
const LONGEST = 63;
/** The name of every machine for itself, which is no other's. */
const TAKEN = "localhost";

/** The host name that a guest gets for the name that its sandbox was created with; none where that makes none, or there is no name. */
export function hostnameOf(name: string | null): { hostname?: string } {
  const label = (name ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST)
    .replace(/^-|-$/g, "");
  return label === "" || label === TAKEN ? {} : { hostname: label };
}
