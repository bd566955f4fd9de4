import { expect, it } from "vitest";
import { formatBytes } from "#lib/format/bytes.ts";
import { byteStep } from "./byte-step.ts";

it.each([
  [0, "1 B"],
  [1, "1 B"],
  [700, "256 B"],
  [1024, "256 B"],
  [3000, "1 KiB"],
  [1024 * 1024, "256 KiB"],
  [1.9 * 1024 * 1024, "512 KiB"],
  [3 * 1024 * 1024, "1 MiB"],
  [412 * 1024 ** 2, "128 MiB"],
  [40 * 1024 ** 4, "8 TiB"],
])("marks an axis of up to %d bytes every %s", (most, step) => expect(formatBytes(byteStep(most))).toBe(step));
