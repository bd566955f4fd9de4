import { open, rm, stat } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { explainFullDisk } from "../../memory/store/files.ts";
import { type FileChecksum, mostPackedBytes, unpack } from "./pack.ts";

/** Where files of a template come from. */
export interface TemplateSource {
  /** A file as it travels, from an offset on. Fails, or ends early, where it breaks off. */
  open(file: FileChecksum, offset: number): AsyncIterable<Uint8Array>;
}

/**
 * Brings a file to `path`, durable and verified. What has come stays beside it when this fails, and the next attempt, of this
 * process or a later one, goes on behind it. Throws `snapshot_damaged` for a file that is another one.
 */
export async function download(source: TemplateSource, file: FileChecksum, path: string): Promise<void> {
  const part = `${path}.part`;
  try {
    const had = await receive(source, file, part);
    await rm(path, { force: true });
    try {
      await unpack(part, path, file);
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code !== "snapshot_damaged") throw error;
      await rm(part);
      // Two ends may be of hosts that compress otherwise.
      if (had === 0) throw error;
      await receive(source, file, part);
      await rm(path, { force: true });
      await unpack(part, path, file).catch(async (damage: unknown) => {
        await rm(part);
        throw damage;
      });
    }
    await rm(part);
  } catch (error) {
    throw explainFullDisk(error, "the template could not be brought here");
  }
}

/** Appends what is missing; how much there was before. */
async function receive(source: TemplateSource, file: FileChecksum, part: string): Promise<number> {
  const had = await stat(part).then(
    ({ size }) => size,
    () => 0,
  );
  const most = mostPackedBytes(file);
  const to = await open(part, "a", 0o600);
  try {
    let bytes = had;
    for await (const chunk of source.open(file, had)) {
      bytes += chunk.length;
      if (bytes > most) {
        await rm(part);
        throw new WarrenError("snapshot_damaged", "a file of the template is longer than it can be");
      }
      await to.appendFile(chunk);
    }
  } finally {
    await to.close();
  }
  return had;
}
