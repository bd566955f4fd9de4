import { ApiError } from "#lib/api/api-error.ts";
import { answer, api } from "#lib/api/client.ts";

const routeOf = (sandboxId: string, route: string) => `/v1/sandboxes/${encodeURIComponent(sandboxId)}/files/${route}`;

/** How an upload is followed and given up. */
export interface UploadOptions {
  /** Called with the bytes of the body that the server has taken. */
  onProgress?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Writes a file of this computer into a directory of a capsule, where it keeps its name. Missing directories are made. */
export function uploadFile(
  sandboxId: string,
  directory: string,
  file: File,
  { onProgress, signal }: UploadOptions = {},
): Promise<void> {
  const form = new FormData();
  form.append("path", directory.endsWith("/") ? directory : `${directory}/`);
  form.append("name", file.name);
  form.append("file", file, "file");
  // fetch does not tell how much of a body has been sent.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.upload.onprogress = ({ loaded }) => onProgress?.(loaded);
    request.onload = () => {
      if (request.status < 300) resolve();
      else errorOf(request).then(reject, reject);
    };
    request.onerror = () => reject(ApiError.unreachable());
    request.onabort = () => reject(signal?.reason);
    request.open("POST", routeOf(sandboxId, "stream/write"));
    request.send(form);
  });
}

function errorOf(request: XMLHttpRequest): Promise<ApiError> {
  const headers = new Headers();
  for (const name of ["x-request-id", "retry-after"]) {
    const value = request.getResponseHeader(name);
    if (value !== null) headers.set(name, value);
  }
  return ApiError.of(new Response(request.responseText, { status: request.status, headers }));
}

/** Address by which a browser saves a file of a capsule, or a directory as an archive. */
export function downloadAddress(sandboxId: string, path: string, type: "file" | "directory"): string {
  return `${routeOf(sandboxId, type === "file" ? "download" : "archive")}?path=${encodeURIComponent(path)}`;
}

/**
 * Has the browser save a file, or a directory as an archive, as its bytes come. Whether it is there is asked before: of an address
 * that is refused, browsers tell nothing but that.
 */
export async function download(sandboxId: string, path: string, type: "file" | "directory"): Promise<void> {
  await answer(api.POST("/v1/sandboxes/{id}/files/stat", { params: { path: { id: sandboxId } }, body: { path } }));
  const link = document.createElement("a");
  link.href = downloadAddress(sandboxId, path, type);
  link.download = "";
  link.click();
}
