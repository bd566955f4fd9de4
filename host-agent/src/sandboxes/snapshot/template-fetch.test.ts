import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TemplateSource } from "../../templates/transfer/download.ts";
import { FakeHost, READ_STATE, writeState } from "../../testing/fake-host.ts";

describe("a template of another host", () => {
  let made: FakeHost;
  let here: FakeHost;
  beforeAll(async () => {
    made = await FakeHost.open();
    here = await FakeHost.open();
  });
  afterAll(async () => {
    await made?.dispose();
    await here?.dispose();
  });

  /** A template with a state in memory and on disk. */
  const make = async (name: string, state: number) => {
    const id = await made.create();
    await made.run(id, writeState(state));
    const { snapshot } = await made.sandboxes.createTemplate(id, "team", name, false);
    await made.sandboxes.destroy(id);
    const named = { teamId: "team", name, snapshot };
    const bundle = await made.sandboxes.describeTemplate("team", name, snapshot);
    return { named, bundle };
  };
  /** The host that made it, with what may happen to what it sends; counts the bytes. */
  const from = (named: { teamId: string; name: string; snapshot: string }, more: Partial<TemplateSource> = {}) => {
    const source = {
      opened: 0,
      bytes: 0,
      async *open(file: Parameters<TemplateSource["open"]>[0], offset: number) {
        source.opened += 1;
        for await (const chunk of made.sandboxes.readTemplateFile(named, file.sha256, offset)) {
          source.bytes += chunk.length;
          yield chunk;
        }
      },
      ...more,
    };
    return source;
  };
  const stateIn = async (template: string) => {
    const id = await here.create({ template });
    const state = await here.run(id, READ_STATE);
    await here.sandboxes.destroy(id);
    return state;
  };

  it("starts here as it stood there, after a restart of the host agent too, and goes from here as it came", async () => {
    const { named, bundle } = await make("travelled", 41);
    const template = await here.sandboxes.fetchTemplate(named, bundle, from(named));
    expect(template).toMatchObject({ ...named, vcpus: 1 });
    expect(await stateIn("travelled")).toBe("41\n");
    await here.sandboxes.release();
    await here.reopen();
    expect(await stateIn("travelled")).toBe("41\n");
    expect(await here.sandboxes.describeTemplate("team", "travelled", named.snapshot)).toBe(bundle);
  });

  it("is fetched once, however many ask, and nothing of it that is here already", async () => {
    const { named, bundle } = await make("asked", 42);
    const sources = [from(named), from(named), from(named)];
    await Promise.all(sources.map((source) => here.sandboxes.fetchTemplate(named, bundle, source)));
    expect(sources.filter(({ opened }) => opened > 0)).toHaveLength(1);
    expect(await stateIn("asked")).toBe("42\n");
    const { files } = JSON.parse(bundle) as { files: { kind: string }[] };
    const [used] = sources.filter(({ opened }) => opened > 0);
    expect(used!.opened).toBeLessThan(files.length);
  });

  it("comes on where it was cut off, and shows nothing of itself before", async () => {
    const { named, bundle } = await make("cut", 43);
    const whole = from(named);
    let left = 200;
    const cut = from(named, {
      async *open(file, offset) {
        for await (const chunk of whole.open(file, offset)) {
          const part = chunk.subarray(0, left);
          left -= part.length;
          yield part;
          if (left === 0) throw new Error("the connection is lost");
        }
      },
    });
    await expect(here.sandboxes.fetchTemplate(named, bundle, cut)).rejects.toThrow("the connection is lost");
    await expect(stateIn("cut")).rejects.toMatchObject({ code: "template_not_found" });
    await here.sandboxes.release();
    await here.reopen();
    const offsets: number[] = [];
    const rest = from(named);
    const resumed = from(named, {
      open(file, offset) {
        offsets.push(offset);
        return rest.open(file, offset);
      },
    });
    await here.sandboxes.fetchTemplate(named, bundle, resumed);
    expect(offsets[0]).toBeGreaterThan(0);
    expect(await stateIn("cut")).toBe("43\n");
  });

  it.each(["first", "last"])(
    "is refused when the %s byte of a file has changed, and comes whole after that",
    async (which) => {
      const { named, bundle } = await make(`changed-${which}`, 44);
      const whole = from(named);
      const changing = from(named, {
        async *open(file, offset) {
          const parts: Uint8Array[] = [];
          for await (const chunk of whole.open(file, offset)) parts.push(chunk);
          const bytes = Buffer.concat(parts);
          const at = which === "first" ? 8 : bytes.length - 9;
          bytes[at]! ^= 1;
          yield bytes;
        },
      });
      const refused = here.sandboxes.fetchTemplate(named, bundle, changing);
      await expect(refused).rejects.toMatchObject({ code: "snapshot_damaged" });
      await here.sandboxes.fetchTemplate(named, bundle, whole);
      expect(await stateIn(named.name)).toBe("44\n");
    },
  );

  it("is refused with another memory that is in order by itself", async () => {
    const one = await make("one", 45);
    const other = await make("other", 46);
    const { files } = JSON.parse(other.bundle) as { files: { kind: string; sha256: string }[] };
    const slipped = from(other.named);
    const source = from(one.named, {
      open(file, offset) {
        const kind = (JSON.parse(one.bundle) as { files: { kind: string; sha256: string }[] }).files.find(
          ({ sha256 }) => sha256 === file.sha256,
        )?.kind;
        return slipped.open({ ...file, sha256: files.find((of) => of.kind === kind)!.sha256 }, offset);
      },
    });
    const fetched = here.sandboxes.fetchTemplate(one.named, one.bundle, source);
    await expect(fetched).rejects.toMatchObject({ code: "snapshot_damaged" });
  });

  it.each([
    ["another processor", { shape: { cpu: "another" } }, "cpu was"],
    ["another VMM", { shape: { vmm: "qemu 1.0" } }, "vmm was"],
    ["another architecture", { arch: "s390x" }, "architecture s390x"],
  ])("of %s is refused before anything is fetched", async (_, change, words) => {
    const { named, bundle } = await make(`of-${words.replace(/\W/g, "-")}`, 47);
    const parsed = JSON.parse(bundle);
    const changed = { ...parsed, ...change, shape: { ...parsed.shape, ...("shape" in change ? change.shape : {}) } };
    const source = from(named);
    const refused = here.sandboxes.fetchTemplate(named, JSON.stringify(changed), source);
    await expect(refused).rejects.toMatchObject({
      code: "snapshot_incompatible",
      message: expect.stringContaining(words),
    });
    expect(source.opened).toBe(0);
  });

  it("is refused before anything is fetched where the disk has no space for it", async () => {
    const full = await FakeHost.open({ WARREN_DISK_RESERVE_MB: "1048576" });
    const { named, bundle } = await make("large", 48);
    const source = from(named);
    const refused = full.sandboxes.fetchTemplate(named, bundle, source);
    await expect(refused).rejects.toMatchObject({ code: "host_disk_full" });
    expect(source.opened).toBe(0);
    await full.dispose();
  });

  it("with a base image that this host has not brings it along", async () => {
    const base = join(made.directory, "images/fake-1/base.raw");
    await writeFile(base, "other packages", { flag: "r+" });
    const { named, bundle } = await make("based", 49);
    await here.sandboxes.fetchTemplate(named, bundle, from(named));
    expect(await stateIn("based")).toBe("49\n");
    const bases = await readdir(join(here.directory, "bases"));
    expect(bases).toHaveLength(1);
    expect((await readFile(join(here.directory, "bases", bases[0]!))).subarray(0, 14).toString()).toBe(
      "other packages",
    );
    await here.sandboxes.release();
    await here.reopen();
    expect(await stateIn("based")).toBe("49\n");
  });
});
