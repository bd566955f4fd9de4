import { expect, test } from "vitest";
import { describeProcessor, processorModel } from "./processor.ts";

test.each([
  [2_445_424, 2445],
  [2_399_998, 2400],
  [2_400_002, 2400],
  [2_999_497, 2999],
  [2_999_503, 2999],
])(
  "guests under TCG depend on the speed of the counter, %d kHz, but not on how it was measured",
  async (counterKhz, mhz) => {
    expect(await describeProcessor({ name: "tcg", counterKhz })).toBe(`max, counter at ${mhz} MHz`);
  },
);

test("guests on KVM depend on the model of the processor", () => {
  const cpuinfo =
    "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 1\ncpu MHz\t: 2445.4\n";
  expect(processorModel(cpuinfo)).toBe("AuthenticAMD 25 1 1");
});
