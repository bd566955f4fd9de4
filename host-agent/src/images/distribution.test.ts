import { expect, test } from "vitest";
import { parseDistribution } from "./distribution.ts";

test.each([
  [
    "Debian",
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n',
    { id: "debian", codename: "bookworm", architecture: "amd64" },
  ],
  [
    "Ubuntu",
    'NAME="Ubuntu"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n',
    { id: "ubuntu", codename: "noble", architecture: "amd64" },
  ],
  [
    "a derivative of Ubuntu",
    'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n',
    { id: "ubuntu", codename: "noble", architecture: "amd64" },
  ],
])("recognises %s", (_, text, distribution) => {
  expect(parseDistribution(text, "x64")).toEqual(distribution);
});

test("says what it does not support", () => {
  expect(() => parseDistribution('ID=fedora\nPRETTY_NAME="Fedora Linux 42"\n', "x64")).toThrow("runs Fedora Linux 42");
  expect(() => parseDistribution("ID=debian\nVERSION_CODENAME=bookworm\n", "riscv64")).toThrow("processor is riscv64");
});
