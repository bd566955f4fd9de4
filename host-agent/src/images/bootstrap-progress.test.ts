import { expect, test } from "vitest";
import { BootstrapProgress } from "./bootstrap-progress.ts";

/** Lines as mmdebstrap, apt and dpkg print them. */
const LINES = [
  "I: automatically chosen format: directory",
  "I: running apt-get update...",
  "Get:1 http://archive.example bookworm InRelease [151 kB]",
  "I: downloading packages with apt...",
  "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
  "I: extracting archives...",
  "I: installing essential packages...",
  "Unpacking libc6:amd64 (2.36-9+deb12u14) over (2.36-9+deb12u14) ...",
  "Unpacking dash (0.5.12-2) ...",
  "Setting up libc6:amd64 (2.36-9+deb12u14) ...",
  "Setting up dash (0.5.12-2) ...",
  "I: installing remaining packages inside the chroot...",
  "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.",
  "Unpacking sudo (1.9.13p3-1) ...",
  "Setting up sudo (1.9.13p3-1) ...",
  "Setting up sudo (1.9.13p3-1) ...",
  "I: cleaning package lists and apt cache...",
];

test("tells phases and packages, and never goes back", () => {
  const progress = new BootstrapProgress();
  const news = LINES.map((line) => progress.read(line)).filter((item) => item !== undefined);
  expect(news.map(({ detail }) => detail)).toEqual([
    "fetching package lists",
    "downloading essential packages",
    "unpacking essential packages",
    "essential packages",
    "unpacking libc6",
    "unpacking dash",
    "setting up libc6",
    "setting up dash",
    "packages",
    "unpacking sudo",
    "setting up sudo",
    "setting up sudo",
    "cleaning up",
  ]);
  const fractions = news.map(({ fraction }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.every((fraction) => fraction >= 0 && fraction <= 1)).toBe(true);
});
