import { Code, ConnectError } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { describe, expect, it } from "vitest";
import { fromRpcError } from "./rpc-errors.ts";
import { rpcError } from "./testing/double-errors.ts";

describe("errors of host agents", () => {
  it("keep the catalogue's code and the words that came with it", () => {
    const error = fromRpcError(rpcError("boot_failed", "no kernel"));
    expect(error).toMatchObject({ code: "boot_failed", message: "no kernel", status: 502 });
  });

  it("keep errors of this process", () => {
    const error = new WarrenError("too_large", "x");
    expect(fromRpcError(error)).toBe(error);
  });

  it.each([
    [Code.NotFound, "not_found"],
    [Code.InvalidArgument, "invalid_request"],
    [Code.FailedPrecondition, "conflict"],
    [Code.Unavailable, "host_unavailable"],
    [Code.Canceled, "host_unavailable"],
    [Code.Unimplemented, "host_outdated"],
    [Code.DeadlineExceeded, "agent_error"],
    [Code.ResourceExhausted, "too_large"],
    [Code.Internal, "agent_error"],
    [Code.Unknown, "agent_error"],
  ])("of code %s without a detail mean %s", (code, expected) => {
    expect(fromRpcError(new ConnectError("text", code)).code).toBe(expected);
  });

  it("pass no text of unexpected errors on", () => {
    for (const code of [Code.Internal, Code.Unknown, Code.DataLoss, Code.Unavailable]) {
      expect(fromRpcError(new ConnectError("secret path /x", code)).message).not.toContain("secret");
    }
  });

  it("ignore codes that the catalogue does not have", () => {
    expect(fromRpcError(rpcError("nonsense" as never, "x"))).toMatchObject({ code: "agent_error" });
  });

  it("know a connection that cannot be made by its system call", () => {
    const refused = Object.assign(new Error("connect ENOENT"), { code: "ENOENT", syscall: "connect" });
    expect(fromRpcError(ConnectError.from(refused)).code).toBe("host_unavailable");
  });
});
