/**
 * How the content of files crosses between the control plane and a host agent: as the body of plain HTTP/1.1 messages,
 * on the same address as the RPC service, because a stream of RPC messages takes several times the processor time (its calls
 * WriteFile, ReadFile, StreamWriteFile and StreamReadFile are for programs that have nothing but RPC). The first bytes of a
 * connection tell the two apart (RFC 9113, section 3.4), or ALPN where it is over TLS.
 *
 * - `GET /files?sandbox_id=…&path=…[&user=…]` answers 200 with the content, and its Content-Length when it is known
 *   beforehand (not so for files of /proc), and the headers below when they are known.
 * - `PUT /files?sandbox_id=…&path=…[&user=…][&mode=…][&modified_at=…][&name=…]` answers 204 once the whole body has been
 *   written; until then nothing has changed. `name` is the one that the file gets when the path is a directory.
 *
 * `GET /files?sandbox_id=…&path=…[&user=…]&archive=tar` answers 200 with a directory as a tar archive (pax), which is made while
 * it is sent. What could not be read is named by a last member of it. `PUT /files?sandbox_id=…&path=…[&user=…]&archive=tar`
 * unpacks one into a directory while it comes, and answers 204 once all of it is there.
 *
 * A body that breaks off, in either direction, is not the file: its connection ends before its length or its last chunk.
 * Errors are those of the same calls of the RPC service, with the status of their code and an `ErrorBody` (rest/error.ts).
 */
export const HOST_FILES = {
  path: "/files",
  parameters: {
    sandboxId: "sandbox_id",
    path: "path",
    user: "user",
    mode: "mode",
    modifiedAt: "modified_at",
    name: "name",
    archive: "archive",
  },
  /** Permission bits in octal, and time of the last change (RFC 3339); the REST API has the same. */
  headers: { mode: "x-file-mode", modifiedAt: "x-file-modified-at" },
} as const;
