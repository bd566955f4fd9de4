import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Content, multipartBody } from "./multipart.ts";

/** Reads a body with the parser that Node itself has. */
async function parse(fields: Record<string, string>, content: Content, size?: number) {
  const body = multipartBody({ name: "file", ...fields }, content, size);
  const bytes = await buffer(Readable.from(body.stream(), { objectMode: false }));
  if (body.length !== undefined) expect(bytes.length).toBe(body.length);
  const form = await new Response(new Uint8Array(bytes), { headers: { "Content-Type": body.contentType } }).formData();
  const file = form.get("file") as File;
  return { form, file: Buffer.from(await file.arrayBuffer()), length: body.length };
}

describe("multipart bodies", () => {
  test("carry any bytes and the path as they are, with the right length", async () => {
    const path = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter((text) => !/[\r\n]/.test(text) && text.isWellFormed());
    await fc.assert(
      fc.asyncProperty(path, fc.array(fc.uint8Array()), async (guestPath, chunks) => {
        const bytes = Buffer.concat(chunks);
        const streamed = await parse({ path: guestPath }, chunks);
        expect(streamed.file.equals(bytes)).toBe(true);
        expect(streamed.length).toBeUndefined();
        const whole = await parse({ path: guestPath }, bytes);
        expect(whole.form.get("path")).toBe(guestPath);
        expect(whole.file.equals(bytes)).toBe(true);
      }),
    );
  });

  test("have a length when the size of a stream is known", async () => {
    const { file } = await parse({ path: "/a" }, [Buffer.from("ab"), Buffer.from("c")], 3);
    expect(file.toString()).toBe("abc");
  });

  test.each([2, 4])("refuse a stream of 3 bytes that was said to have %i", async (size) => {
    await expect(parse({ path: "/a" }, [Buffer.from("ab"), Buffer.from("c")], size)).rejects.toMatchObject({
      code: "invalid_request",
    });
  });
});
