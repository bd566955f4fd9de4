import { WarrenError } from "@warren/contracts/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesPerL2Table, decodeHeader, encodeHeader, type Qcow2Header } from "./header.ts";

const CLUSTER = 65_536;
const FILE_SIZE = 100 * CLUSTER;

const HEADER: Qcow2Header = {
  virtualSize: 1024 ** 3,
  clusterBits: 16,
  l1Entries: 2,
  l1Offset: 3 * CLUSTER,
  refcountTableOffset: CLUSTER,
  refcountTableClusters: 1,
  extendedL2: false,
};

const geometry = fc
  .record({
    clusterBits: fc.integer({ min: 14, max: 21 }),
    extendedL2: fc.boolean(),
    sectors: fc.integer({ min: 1, max: 2 ** 40 }),
  })
  .map(({ clusterBits, extendedL2, sectors }): Qcow2Header => {
    const virtualSize = sectors * 512;
    const l1Entries = Math.ceil(virtualSize / bytesPerL2Table({ clusterBits, extendedL2 }));
    const cluster = 2 ** clusterBits;
    return {
      clusterBits,
      extendedL2,
      virtualSize,
      l1Entries,
      l1Offset: 3 * cluster,
      refcountTableOffset: cluster,
      refcountTableClusters: 1,
    };
  });

test("what is written is read", () => {
  fc.assert(
    fc.property(geometry, (header) => {
      const fileSize = header.l1Offset + header.l1Entries * 8;
      expect(decodeHeader(encodeHeader(header), fileSize)).toEqual(header);
    }),
    { seed: 1 },
  );
});

/** The header with some bytes changed. */
function changed(change: (buffer: Buffer) => void): Buffer {
  const buffer = encodeHeader(HEADER);
  change(buffer);
  return buffer;
}

test.each<[string, Buffer, string]>([
  ["an empty file", Buffer.alloc(0), "not a qcow2 image"],
  ["a text", Buffer.from("#!/bin/sh\necho this is no image\n".repeat(10)), "not a qcow2 image"],
  ["version 2", changed((b) => b.writeUInt32BE(2, 4)), "version 2"],
  ["a cut header", encodeHeader(HEADER).subarray(0, 100), "cut off"],
  ["a backing file", changed((b) => b.writeBigUInt64BE(112n, 8)), "backing file"],
  ["a backing file's length", changed((b) => b.writeUInt32BE(9, 16)), "backing file"],
  ["encryption", changed((b) => b.writeUInt32BE(2, 32)), "encrypted"],
  ["internal snapshots", changed((b) => b.writeUInt32BE(1, 60)), "internal snapshots"],
  ["the dirty mark", changed((b) => b.writeBigUInt64BE(1n, 72)), "not kept up"],
  ["the corrupt mark", changed((b) => b.writeBigUInt64BE(2n, 72)), "corrupt"],
  ["an external data file", changed((b) => b.writeBigUInt64BE(4n, 72)), "external data file"],
  ["an unknown feature", changed((b) => b.writeBigUInt64BE(1n << 40n, 72)), "0x10000000000"],
  ["other reference counts", changed((b) => b.writeUInt32BE(5, 96)), "16 bits"],
  ["a header length that is not", changed((b) => b.writeUInt32BE(3, 100)), "3 bytes"],
  ["a name of a data file", changed((b) => b.writeUInt32BE(0x44415441, 112)), "0x44415441"],
  ["extensions without end", changed((b) => b.writeUInt32BE(0x6803f857, 112)), "do not end"],
  ["tiny clusters", changed((b) => b.writeUInt32BE(8, 20)), "2^8 bytes"],
  ["no disk", changed((b) => b.writeBigUInt64BE(0n, 24)), "whole sectors"],
  ["a disk of a size that no file has", changed((b) => b.writeBigUInt64BE(2n ** 63n, 24)), "out of range"],
  ["a table that is too small", changed((b) => b.writeUInt32BE(1, 36)), "too small"],
  ["a table between clusters", changed((b) => b.writeBigUInt64BE(12_345n, 40)), "not at a cluster"],
  ["a table behind the end", changed((b) => b.writeBigUInt64BE(BigInt(FILE_SIZE), 40)), "cut off"],
  ["no reference counts", changed((b) => b.writeUInt32BE(0, 56)), "no reference counts"],
])("refuses %s", (_, buffer, reason) => {
  expect(() => decodeHeader(buffer, FILE_SIZE)).toThrow(reason);
});

test("random changes are read or refused with a reason, and never break the reader", () => {
  const change = fc.record({ offset: fc.nat(119), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat(120), fc.nat(FILE_SIZE), (changes, length, fileSize) => {
      const buffer = encodeHeader(HEADER);
      for (const { offset, value } of changes) buffer.writeUInt8(value, offset);
      try {
        const header = decodeHeader(buffer.subarray(0, length), fileSize);
        expect(header.l1Offset + header.l1Entries * 8).toBeLessThanOrEqual(fileSize);
      } catch (error) {
        if (!(error instanceof WarrenError)) throw error;
        expect(error.code).toBe("invalid_request");
      }
    }),
    { seed: 3, numRuns: 5000 },
  );
});
