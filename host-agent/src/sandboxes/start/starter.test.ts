import { describe, expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";
import { newSandbox } from "../testing/new-sandbox.ts";

describe("a new sandbox", () => {
  const host = useFakeHost();

  test("has the size, the name and the variables that it was asked for with", async () => {
    const id = await host().create({ vcpus: 2 }, { NAME: "value", OTHER: "with space" });
    expect(await host().run(id, "nproc; hostname; echo $NAME $OTHER")).toBe(`2\n${id}\nvalue with space\n`);
  });

  test("has the host name that it was asked for with, also after a pause", async () => {
    const id = await host().create();
    const named = { ...newSandbox(id.replace(/^sb./, id[2] === "a" ? "sbb" : "sba")), hostname: "workshop" };
    await host().sandboxes.create(named);
    expect(await host().run(named.id, "hostname")).toBe("workshop\n");
    await host().sandboxes.pause(named.id);
    await host().sandboxes.resume(named.id);
    expect(await host().run(named.id, "hostname")).toBe("workshop\n");
  });

  test("shares nothing that is written with the next one of its template", async () => {
    const [one, other] = [await host().create(), await host().create()];
    await host().run(one, "echo secret >/dev/shm/mine; echo secret >mine");
    for (const path of ["/dev/shm/mine", "mine"]) {
      expect(await host().exec(other, `cat ${path}`)).toMatchObject({ exitCode: 1 });
    }
  });

  test("of a template that is not there is refused, and leaves nothing", async () => {
    await expect(host().create({ template: "nowhere" })).rejects.toMatchObject({ code: "template_not_found" });
    expect(host().sandboxes.list()).toEqual([]);
  });

  test("has an id of its own", async () => {
    const id = await host().create();
    await expect(host().sandboxes.create(newSandbox(id))).rejects.toMatchObject({ code: "already_exists" });
    await expect(host().sandboxes.create(newSandbox("../x"))).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("on a host that boots each", () => {
  const host = useFakeHost({ WARREN_COLD_BOOT: "1" });

  test("a sandbox boots, and can be paused and resumed", async () => {
    const id = await host().create();
    await host().run(id, "echo 1 >/dev/shm/state");
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, "cat /dev/shm/state")).toBe("1\n");
  });
});
