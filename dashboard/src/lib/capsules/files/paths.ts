/** Directory above an absolute path; that of the root is the root. */
export function parentOf(path: string): string {
  const end = path.replace(/\/+$/, "").lastIndexOf("/");
  return end <= 0 ? "/" : path.slice(0, end);
}

/** A path below a directory. */
export function pathIn(directory: string, name: string): string {
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

/** The directories on the way to an absolute path, from the root: name and path of each. */
export function stepsTo(path: string): { name: string; path: string }[] {
  const names = path.split("/").filter((name) => name !== "");
  return [
    { name: "/", path: "/" },
    ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join("/")}` })),
  ];
}

/** Directories first, then by name as people read them. */
export function compareEntries(a: { type: string; name: string }, b: { type: string; name: string }): number {
  const rank = ({ type }: { type: string }) => (type === "directory" ? 0 : 1);
  return rank(a) - rank(b) || a.name.localeCompare(b.name, undefined, { numeric: true });
}
