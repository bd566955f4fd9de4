import { open } from "node:fs/promises";
import koffi from "koffi";

/** Makes everything durable that was written to the file system of a directory: one call for many files (syncfs(2)). */
export async function syncFileSystem(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    const syncfs = koffi.load(null).func("int syncfs(int fd)");
    const result = await new Promise<number>((resolve, reject) => {
      syncfs.async(directory.fd, (error: Error | null, value: number) => (error ? reject(error) : resolve(value)));
    });
    if (result !== 0) throw new Error(`syncfs of ${path} failed`);
  } finally {
    await directory.close();
  }
}
