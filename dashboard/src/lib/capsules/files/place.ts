/** What of the files of a capsule is shown, as the address of its page says. */
export interface FilesPlace {
  /** Directory; "" = the home of the capsule's user. */
  path: string;
  /** File that is edited. */
  edit: string | undefined;
}

export const FILES_HOME: FilesPlace = { path: "", edit: undefined };

export function placeOf(query: Pick<URLSearchParams, "get">): FilesPlace {
  return { path: query.get("path") ?? "", edit: query.get("edit") || undefined };
}

/** The rest of the query of an address that shows it. */
export function filesQuery({ path, edit }: FilesPlace): string {
  const query = new URLSearchParams({ ...(path !== "" && { path }), ...(edit !== undefined && { edit }) });
  return query.size === 0 ? "" : `&${query}`;
}

/** Whether the editor of a place stays at an address of the same page: it does so behind other tabs. */
export function keepsEditor(query: Pick<URLSearchParams, "get">, { edit }: FilesPlace): boolean {
  return query.get("tab") !== "files" || placeOf(query).edit === edit;
}
