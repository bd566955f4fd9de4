import { crc32 } from "node:zlib";
import { ZERO_CHECKSUM } from "./checksums.ts";
import { errorCode, type FileSystem, type StoredFile } from "./files.ts";
import { CHECKSUM_SPAN, DamagedSnapshotError, type LayerRecord } from "./header.ts";

/** Refuses a layer whose file is missing or has another size than its header says. */
export async function checkLayerSize(
  files: FileSystem,
  path: string,
  layer: { id: string; size: number },
): Promise<void> {
  const size = await files.stat(path).then(
    (status) => status.size,
    (error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
      throw new DamagedSnapshotError("layer_missing", `the file of memory layer ${layer.id} is missing`);
    },
  );
  if (size !== layer.size) {
    throw new DamagedSnapshotError(
      "layer_size",
      `the file of memory layer ${layer.id} has ${size} bytes; ${layer.size} were written`,
    );
  }
}

/** Reads a layer file whole, through `buffer`, and refuses it when any byte has changed since it was written. */
export async function checkLayerContent(
  files: FileSystem,
  path: string,
  layer: LayerRecord,
  buffer: Buffer,
): Promise<void> {
  await checkLayerSize(files, path, layer);
  const file = await files.open(path);
  try {
    const spansAtOnce = Math.floor(buffer.length / CHECKSUM_SPAN);
    let data = await file.nextData(0);
    for (let span = 0; span < layer.checksums.length; ) {
      const start = span * CHECKSUM_SPAN;
      if (data !== undefined && data.end <= start) data = await file.nextData(start);
      const nextSpan = data === undefined ? layer.checksums.length : Math.floor(data.start / CHECKSUM_SPAN);
      for (; span < nextSpan; span++) {
        if (layer.checksums[span] !== zeroChecksum(layer, span)) throw changed(layer, span);
      }
      if (data === undefined) return;
      const end = Math.min(Math.ceil(data.end / CHECKSUM_SPAN), span + spansAtOnce, layer.checksums.length);
      await checkSpans(file, layer, span, end, buffer);
      span = end;
    }
  } finally {
    await file.close();
  }
}

async function checkSpans(
  file: StoredFile,
  layer: LayerRecord,
  first: number,
  end: number,
  buffer: Buffer,
): Promise<void> {
  const start = first * CHECKSUM_SPAN;
  const length = Math.min(end * CHECKSUM_SPAN, layer.size) - start;
  const bytes = buffer.subarray(0, length);
  await file.read(bytes, start);
  for (let span = first; span < end; span++) {
    const position = (span - first) * CHECKSUM_SPAN;
    if (crc32(bytes.subarray(position, position + CHECKSUM_SPAN)) !== layer.checksums[span]) throw changed(layer, span);
  }
}

/** The checksum of a span that is all hole; the last one may be shorter. */
function zeroChecksum(layer: LayerRecord, span: number): number {
  const length = Math.min(CHECKSUM_SPAN, layer.size - span * CHECKSUM_SPAN);
  return length === CHECKSUM_SPAN ? ZERO_CHECKSUM : crc32(Buffer.alloc(length));
}

function changed(layer: LayerRecord, span: number): DamagedSnapshotError {
  return new DamagedSnapshotError(
    "checksum",
    `the file of memory layer ${layer.id} has changed since it was written, within the MiB at ${span * CHECKSUM_SPAN}`,
  );
}
