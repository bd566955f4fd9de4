import { ensureFakeImages } from "../images/testing/fake-images.ts";
import { createFakeSlots } from "../network/testing/fake-slots.ts";
import type { Platform } from "../platform.ts";
import { createFakeVmm } from "../vmm/fake/driver.ts";

/** What microVMs of tests are made with: the fake VMM, loopback addresses, and images of a few words. */
export const FAKE_PLATFORM: Platform = {
  ensureImages: ensureFakeImages,
  examineVmms:
    async () =>
    async ({ log }) =>
      createFakeVmm({ warn: (message, cause) => log.warn({ err: cause }, message) }),
  createSlots: createFakeSlots,
};
