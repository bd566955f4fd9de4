import { ApiError } from "#lib/api/api-error.ts";

const routeOf = (sandboxId: string, route: string) => `/v1/sandboxes/${encodeURIComponent(sandboxId)}/files/${route}`;

/** Writes a file of this computer into a directory of a capsule, where it keeps its name. */
export async function uploadFile(sandboxId: string, directory: string, file: File): Promise<void> {
  const form = new FormData();
  form.append("path", directory.endsWith("/") ? directory : `${directory}/`);
  form.append("name", file.name);
  form.append("file", file, file.name);
  await request(routeOf(sandboxId, "stream/write"), { method: "POST", body: form });
}

/** Has the browser save a file of a capsule. */
export async function downloadFile(sandboxId: string, path: string, name: string): Promise<void> {
  const body = JSON.stringify({ path });
  const headers = { "content-type": "application/json" };
  const response = await request(routeOf(sandboxId, "stream/read"), { method: "POST", headers, body });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  // The browser has taken the address with the click.
  URL.revokeObjectURL(link.href);
}

async function request(address: string, init: RequestInit): Promise<Response> {
  const response = await fetch(address, { credentials: "same-origin", ...init }).catch(() => {
    throw ApiError.unreachable();
  });
  if (!response.ok) throw await ApiError.of(response);
  return response;
}
