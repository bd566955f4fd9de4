import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { hostUnit, installService, removeService, type Systemd } from "./host-service.ts";

/** A systemd that notes what it is told. */
async function makeSystemd(): Promise<Systemd & { told: string[] }> {
  const units = await mkdtemp(join(tmpdir(), "warren-units-"));
  onTestFinished(() => rm(units, { recursive: true }));
  const told: string[] = [];
  return { units, told, control: (...words) => told.push(words.join(" ")) };
}

test("a host is a service that starts with the machine, and leaves sandboxes alone when it stops", async () => {
  const systemd = await makeSystemd();
  const name = await installService("/var/lib/warren", systemd);
  const unit = await readFile(join(systemd.units, name), "utf8");
  expect(unit).toMatch(/^ExecStart=\/\S+\/warren host join --data-dir \/var\/lib\/warren$/m);
  expect(unit).toContain("KillMode=process");
  expect(systemd.told).toEqual(["daemon-reload", `enable ${name}`, `restart ${name}`]);
});

test("a path with spaces, dollars and percent signs is one word of the unit", () => {
  const unit = hostUnit("/mnt/a $b 100%");
  expect(unit).toContain('--data-dir "/mnt/a $$b 100%%"');
  expect(unit).toContain("EnvironmentFile=-/mnt/a $b 100%%/host.env");
});

test("the service of a host that leaves goes, and that of another one stays", async () => {
  const systemd = await makeSystemd();
  await installService("/var/lib/warren", systemd);
  expect(await removeService("/mnt/other", systemd)).toBe(false);
  expect(await readdir(systemd.units)).toHaveLength(1);
  expect(await removeService("/var/lib/warren", systemd)).toBe(true);
  expect(await readdir(systemd.units)).toEqual([]);
  expect(systemd.told.slice(3)).toEqual(["disable --now warren-host.service", "daemon-reload"]);
});
