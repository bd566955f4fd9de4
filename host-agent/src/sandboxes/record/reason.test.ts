import { expect, it } from "vitest";
import { panicWords, reasonOfExit } from "./reason.ts";

const exit = (cause: "power_off" | "reset" | "process", consoleTail = "") =>
  reasonOfExit({ expected: false, cause, consoleTail });

it.each([
  [exit("power_off"), "guest_powered_off"],
  [exit("reset", "[   12.3] reboot: Restarting system\r\n"), "guest_rebooted"],
  [exit("reset", "[   12.3] Kernel panic - not syncing: sysrq triggered crash\r\n"), "guest_panicked"],
  [exit("process", "Kernel panic - not syncing: a lie"), "microvm_lost"],
])("names the way in which a microVM ended", (reason, code) => {
  expect(reason).toMatchObject({ code, message: expect.stringMatching(/./) });
});

it("quotes a panic in few printable characters, whatever the guest printed", () => {
  const { code, message } = exit(
    "reset",
    `Kernel panic - not syncing: first\nKernel panic - not syncing: \u001b[2J${"é".repeat(10_000)}`,
  );
  expect(code).toBe("guest_panicked");
  expect(message).toMatch(/^its kernel panicked: \?\[2J[\x20-\x7e]{0,300}$/);
});

it("keeps the last lines of a console that ends in a panic, few and printable", () => {
  const printed = Array.from({ length: 500 }, (_, line) => `[    1.${line}] line ${line}\u001b[0m`);
  const { console } = exit("reset", [...printed, "Kernel panic - not syncing: it", "x".repeat(9000), ""].join("\r\n"));
  const lines = console!.split("\n");
  expect(lines).toHaveLength(12);
  expect(lines.at(-3)).toBe("[    1.499] line 499?[0m");
  expect(lines.at(-2)).toBe("Kernel panic - not syncing: it");
  expect(lines.at(-1)).toBe("x".repeat(200));
  expect(exit("power_off", "bye")).not.toHaveProperty("console");
});

it("keeps the lines with which a panic begins when more follow it than there is room for", () => {
  const trace = Array.from({ length: 30 }, (_, line) => `  frame ${line}`);
  const { console } = exit("reset", ["before", "Kernel panic - not syncing: it", "Call Trace:", ...trace].join("\n"));
  const lines = console!.split("\n");
  expect(lines).toHaveLength(12);
  expect(lines.slice(0, 3)).toEqual(["Kernel panic - not syncing: it", "Call Trace:", "  frame 0"]);
});

it("finds the words of a panic once, though a kernel that stays repeats them", () => {
  const end = "---[ end Kernel panic - not syncing: sysrq triggered crash ]---";
  expect(panicWords(end)).toBeUndefined();
  expect(panicWords(`Kernel panic - not syncing: sysrq triggered crash\r\n${end}\r\n`)).toBe("sysrq triggered crash");
});
