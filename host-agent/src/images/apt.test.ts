import { expect, test } from "vitest";
import { Apt, dependencies, parseFields } from "./apt.ts";
import { toolRunner } from "./tool.ts";

test("reads the fields of a package, those of many lines included", () => {
  const fields = parseFields(
    "Package: linux-image-cloud-amd64\nVersion: 6.1.1-2\nDescription: kernel\n for clouds\n .\n end\n\nPackage: other\n",
  );
  expect(fields.get("Package")).toBe("linux-image-cloud-amd64");
  expect(fields.get("Description")).toBe("kernel\nfor clouds\n.\nend");
});

test("names dependencies without versions, alternatives and architectures", () => {
  const depends =
    "linux-image-6.8.0-31-generic | linux-image-unsigned-6.8.0-31-generic, linux-modules-6.8.0-31-generic (= 6.8), python3:any, kmod [amd64]";
  expect(dependencies(new Map([["Depends", depends]]))).toEqual([
    "linux-image-6.8.0-31-generic",
    "linux-modules-6.8.0-31-generic",
    "python3",
    "kmod",
  ]);
  expect(dependencies(new Map())).toEqual([]);
});

test("describes a package that this machine's archives have", async () => {
  const fields = await new Apt(toolRunner(), () => undefined).show("bash");
  expect(fields.get("Package")).toBe("bash");
  expect(fields.get("Version")).toMatch(/^\d/);
});
