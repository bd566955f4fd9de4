import { expect, test } from "vitest";
import { parseQemuVersion } from "./version.ts";

test.each([
  [
    "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 Fabrice Bellard",
    { text: "7.2.22", runWith: false, readOnlyMemoryFile: false, stateFromFile: false, parallelEmulation: false },
  ],
  [
    "QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)",
    { text: "8.2.2", runWith: false, readOnlyMemoryFile: true, stateFromFile: true, parallelEmulation: false },
  ],
  [
    "QEMU emulator version 9.0.2",
    { text: "9.0.2", runWith: false, readOnlyMemoryFile: true, stateFromFile: true, parallelEmulation: false },
  ],
  [
    "QEMU emulator version 9.1.0",
    { text: "9.1.0", runWith: true, readOnlyMemoryFile: true, stateFromFile: true, parallelEmulation: false },
  ],
  [
    "QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)",
    { text: "10.0.13", runWith: true, readOnlyMemoryFile: true, stateFromFile: true, parallelEmulation: false },
  ],
])("reads %j", (output, version) => {
  expect(parseQemuVersion(output)).toEqual(version);
});

test("refuses versions that are too old", () => {
  expect(() => parseQemuVersion("QEMU emulator version 6.2.0")).toThrow("QEMU 6.2.0 is too old");
});

test("refuses what is not QEMU", () => {
  expect(() => parseQemuVersion("bash, version 5.2")).toThrow("this is not QEMU's version");
});
