import { expect, test } from "vitest";
import { selectTargets, sourceLines } from "./apt-archives.ts";
import type { Distribution } from "./distribution.ts";

const DEBIAN: Distribution = { id: "debian", codename: "bookworm", architecture: "amd64" };
const UBUNTU: Distribution = { id: "ubuntu", codename: "noble", architecture: "amd64" };

const output = (rows: string[][]) => `${rows.map((row) => row.join("\t")).join("\n")}\n`;
const sources = "/etc/apt/sources.list.d/main.sources:1";

test("takes the release and its updates, and no packages of others", () => {
  const uri = "http://archive.example/debian/";
  const row = (
    codename: string,
    release: string,
    changes: Partial<{ by: string; origin: string; component: string; arch: string }> = {},
  ) => {
    const { by = "Packages", origin = "Debian", component = "main", arch = "amd64" } = changes;
    return [by, origin, codename, release, component, arch, uri, sources];
  };
  const rows = [
    row("bookworm", "bookworm"),
    row("bookworm-updates", "stable-updates"),
    row("bookworm-security", "bookworm-security"),
    row("bookworm", "bookworm", { by: "Translations" }),
    row("bookworm", "bookworm", { component: "non-free" }),
    row("bookworm", "bookworm", { arch: "i386" }),
    row("bookworm", "bookworm", { origin: "Docker" }),
    row("bookworm-backports", "bookworm-backports"),
    row("bookworm-proposed-updates", "bookworm-proposed-updates"),
    row("trixie", "trixie"),
  ];
  expect(selectTargets(output(rows), DEBIAN).map(({ release }) => release)).toEqual([
    "bookworm",
    "stable-updates",
    "bookworm-security",
  ]);
});

test("Ubuntu's updates share its code name, and universe belongs to it", () => {
  const row = (release: string, component: string) => [
    "Packages",
    "Ubuntu",
    "noble",
    release,
    component,
    "amd64",
    "http://archive.example/ubuntu/",
    sources,
  ];
  const rows = [
    row("noble", "main"),
    row("noble", "universe"),
    row("noble", "multiverse"),
    row("noble-updates", "main"),
    row("noble-backports", "main"),
  ];
  expect(selectTargets(output(rows), UBUNTU).map(({ release, component }) => `${release} ${component}`)).toEqual([
    "noble main",
    "noble universe",
    "noble-updates main",
  ]);
});

const DEB822 = `Types: deb
# a comment
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
`;

const ONE_LINE = `# deb [signed-by=/wrong.gpg] http://archive.example/debian/ bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian.gpg] http://archive.example/debian/ bookworm main contrib
deb http://archive.example/debian/ bookworm-updates main
`;

test.each([
  [
    "deb822",
    DEB822,
    [
      "deb [signed-by=/usr/share/keyrings/debian.gpg] http://archive.example/debian/ bookworm main",
      "deb [signed-by=/usr/share/keyrings/debian.gpg] http://archive.example/debian/ bookworm-updates main",
      "deb http://archive.example/debian-security/ bookworm-security main",
    ],
  ],
  [
    "one line",
    ONE_LINE,
    [
      "deb [signed-by=/usr/share/keyrings/debian.gpg] http://archive.example/debian/ bookworm main",
      "deb http://archive.example/debian/ bookworm-updates main",
      "deb http://archive.example/debian-security/ bookworm-security main",
    ],
  ],
])("keeps the keys that sources in %s format name", async (_, text, lines) => {
  const row = (uri: string, release: string) => [
    "Packages",
    "Debian",
    release,
    release,
    "main",
    "amd64",
    uri,
    "/sources:2",
  ];
  const rows = [
    row("http://archive.example/debian/", "bookworm"),
    row("http://archive.example/debian/", "bookworm-updates"),
    row("http://archive.example/debian-security/", "bookworm-security"),
  ];
  const readSource = async (path: string) => {
    expect(path).toBe("/sources");
    return text;
  };
  expect(await sourceLines(selectTargets(output(rows), DEBIAN), readSource)).toEqual(lines);
});

test("sections of one archive share a line", async () => {
  const row = (component: string) => [
    "Packages",
    "Ubuntu",
    "noble",
    "noble",
    component,
    "amd64",
    "http://archive.example/",
    "/sources:1",
  ];
  expect(await sourceLines(selectTargets(output([row("main"), row("universe")]), UBUNTU), async () => "")).toEqual([
    "deb http://archive.example/ noble main universe",
  ]);
});
