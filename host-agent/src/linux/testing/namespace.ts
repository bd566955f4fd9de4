import { closeSync, openSync } from "node:fs";
import koffi from "koffi";

const setns = koffi.load(null).func("int setns(int fd, int type)");

/**
 * Goes on in another network namespace with the thread that calls, which is the one that opens all sockets and forks all
 * children of a Node program (network_namespaces(7)).
 */
export function enterNamespace(path: string): void {
  const fd = openSync(path, "r");
  const status = setns(fd, 0);
  closeSync(fd);
  if (status !== 0) throw new Error(`setns ${path}: errno ${koffi.errno()}`);
}
