import { readFile } from "node:fs/promises";
import type { Accelerator } from "./arguments.ts";

/**
 * Where the steps between the MHz lie, so that measuring twice gives one answer: frequencies come in multiples of 0.2 or
 * 0.5 MHz, from the crystals in use, and are measured to some kHz.
 */
const STEP = 0.7;

/** Fields of /proc/cpuinfo that tell processors apart: x86 has the first four, arm64 the others. */
const FIELDS = ["vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part"];

/**
 * What a saved state depends on. Under TCG that is the speed of the host's counter, by which a guest tells the time from
 * its boot on: on a host with another one its clock would run wrong. KVM gives guests the host's processor.
 */
export async function describeProcessor(accelerator: Accelerator): Promise<string> {
  if (accelerator.name === "tcg") return `max, counter at ${Math.floor(accelerator.counterKhz / 1000 + 1 - STEP)} MHz`;
  return processorModel(await readFile("/proc/cpuinfo", "utf8"));
}

/** Model of the first processor in the text of /proc/cpuinfo. */
export function processorModel(cpuinfo: string): string {
  const values = FIELDS.map((name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(cpuinfo)?.[1]);
  return values.filter(Boolean).join(" ");
}
