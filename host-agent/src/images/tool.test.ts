import { expect, test } from "vitest";
import { toolRunner } from "./tool.ts";

const runTool = toolRunner();

test("returns standard output and passes on every line of both streams", async () => {
  const lines: string[] = [];
  const output = await runTool("sh", ["-c", "echo one; echo two >&2; printf three"], {
    onLine: (line) => lines.push(line),
  });
  expect(output).toBe("one\nthree");
  expect(lines.sort()).toEqual(["one", "three", "two"]);
});

test("a failure names the tool, its end, what to do, and its last lines only", async () => {
  const script = "for i in $(seq 100); do echo line $i; done; exit 7";
  const failure = runTool("sh", ["-c", script], { hint: "Do this." });
  await expect(failure).rejects.toMatchObject({ code: "image_build_failed" });
  const { message } = (await failure.catch((error) => error)) as Error;
  expect(message).toMatch(/^sh ended with status 7\. Do this\./);
  expect(message).toContain("line 100");
  expect(message).not.toContain("line 50");
});

test("a tool that is not installed is named with its package", async () => {
  await expect(runTool("no-such-tool", [])).rejects.toThrow(
    "no-such-tool is not installed. Install it: apt-get install no-such-tool",
  );
});

test("the environment is not that of the caller, but for how the network is reached", async () => {
  process.env.SOURCE_DATE_EPOCH = "1";
  process.env.https_proxy = "http://proxy.example:3128";
  try {
    const output = await runTool("env", [], { env: { ADDED: "yes" } });
    expect(output).toContain("ADDED=yes");
    expect(output).toContain("LC_ALL=C.UTF-8");
    expect(output).toContain("https_proxy=http://proxy.example:3128");
    expect(output).not.toContain("SOURCE_DATE_EPOCH");
  } finally {
    delete process.env.SOURCE_DATE_EPOCH;
    delete process.env.https_proxy;
  }
});

test("an isolated tool is alone with its descendants, and they end with it", async () => {
  const output = await runTool("sh", ["-c", "echo $$; tail -f /dev/null & ls -d /proc/[0-9]*"], { isolated: true });
  expect(output.split("\n")[0]).toBe("1");
  expect(output.match(/^\/proc\/\d+$/gm)!.length).toBeLessThanOrEqual(3);
});
