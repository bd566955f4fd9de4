import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";

describe("settings", () => {
  it("have defaults for everything", () => {
    expect(parseConfig({})).toMatchObject({
      listen: { host: "127.0.0.1", port: 3000 },
      dataDir: "/var/lib/warren",
      allowedOrigins: [],
      logLevel: "info",
      exitWithParent: false,
      ephemeral: false,
    });
  });

  it.each([
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["[::1]:8080", { host: "::1", port: 8080 }],
    ["localhost:80", { host: "localhost", port: 80 }],
    [":65535", { host: "0.0.0.0", port: 65_535 }],
  ])("take the address %s", (text, listen) => {
    expect(parseConfig({ WARREN_LISTEN: text }).listen).toEqual(listen);
  });

  it.each([
    ["WARREN_LISTEN", "3000"],
    ["WARREN_LISTEN", "127.0.0.1:65536"],
    ["WARREN_LISTEN", "[localhost]:1"],
    ["WARREN_LISTEN", "::1:80"],
    ["CP_PUBLIC_URL", "warren.test"],
    ["CP_PUBLIC_URL", "https://warren.test/?a=b"],
    ["DATABASE_URL", "sqlite:x"],
    ["WARREN_LOCAL_HOST", "unix:relative.sock"],
    ["WARREN_LOCAL_HOST", "/run/agent.sock"],
    ["WARREN_LOCAL_HOST", "http://10.0.0.1:50051"],
    ["WARREN_HOST_NETWORKS", "10.0.0.0/33"],
    ["WARREN_ALLOWED_ORIGINS", "https://ok.test,nonsense"],
    ["WARREN_ALLOWED_HOSTS", "https://warren.test"],
    ["WARREN_ALLOWED_HOSTS", "warren.test,"],
    ["WARREN_LOG_LEVEL", "loud"],
    ["WARREN_EXIT_WITH_PARENT", "maybe"],
    ["WARREN_READY_FD", "stdout"],
  ])("refuse %s=%s, naming it", (name, value) => {
    expect(() => parseConfig({ [name]: value })).toThrow(`${name}: `);
  });

  it("are taken without blanks, and empty ones count as absent", () => {
    const config = parseConfig({ WARREN_LISTEN: " ", CP_PUBLIC_URL: " https://warren.test/base/ " });
    expect(config).toMatchObject({ listen: { port: 3000 }, publicUrl: "https://warren.test/base" });
  });

  it("name hosts as Host headers may spell them", () => {
    expect(parseConfig({ WARREN_ALLOWED_HOSTS: "Warren.Test, [2001:DB8::1]:80" }).allowedHosts).toEqual([
      { name: "warren.test" },
      { name: "2001:db8::1", port: 80 },
    ]);
  });

  it("name a host agent by socket or URL", () => {
    expect(parseConfig({ WARREN_LOCAL_HOST: "unix:/run/a.sock" }).localHost).toBe("unix:/run/a.sock");
    expect(parseConfig({ WARREN_HOST_NETWORKS: "10.0.0.0/8, fd00::/8" }).hostNetworks).toEqual([
      "10.0.0.0/8",
      "fd00::/8",
    ]);
  });
});
