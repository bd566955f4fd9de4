import { expect, it } from "vitest";
import { emulationNotice } from "./emulation.ts";

const kvm = { status: "online", accelerator: "kvm" } as const;
const emulated = {
  status: "online",
  accelerator: "tcg",
  emulation_reason: "/dev/kvm cannot be opened: ENOENT; nothing was printed",
} as const;

it("says nothing where KVM runs all, or the host that emulates is gone", () => {
  expect(emulationNotice([])).toBeUndefined();
  expect(emulationNotice([kvm, { status: "pending" }, { ...emulated, status: "unreachable" }])).toBeUndefined();
});

it("says how slow it is, why and what helps, and of how many hosts", () => {
  expect(emulationNotice([emulated])).toMatch(
    /^Capsules run emulated, many times slower than on KVM: \/dev\/kvm cannot be opened: ENOENT\. What helps is /,
  );
  expect(emulationNotice([kvm, { status: "online", accelerator: "tcg" }])).toMatch(
    /^Capsules run emulated on 1 of 2 hosts, many times slower than on KVM\. What/,
  );
});
