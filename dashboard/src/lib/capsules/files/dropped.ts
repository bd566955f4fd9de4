/** A file that is to be uploaded, and the directories in which it lies below the one that was dropped into. */
export interface NewFile {
  file: File;
  /** Relative, without a slash at its ends; "" = none. */
  directory: string;
}

/** What somebody dropped or chose. */
export interface Dropped {
  files: NewFile[];
  /** Directories without files, which have to be made by themselves. */
  emptyDirectories: string[];
}

/** Entries that one drop may have. */
export const MOST_DROPPED = 10_000;

/** What of the interface of dropped files and directories is used (File and Directory Entries API). */
export interface Entry {
  isDirectory: boolean;
  name: string;
  file?(take: (file: File) => void, fail: (error: Error) => void): void;
  createReader?(): { readEntries(take: (entries: Entry[]) => void, fail: (error: Error) => void): void };
}

/** Finds the files in what was dropped, and in directories among it. Throws above {@link MOST_DROPPED}. */
export async function filesOf(entries: readonly Entry[]): Promise<Dropped> {
  const found: Dropped = { files: [], emptyDirectories: [] };
  const waiting = entries.map((entry) => ({ entry, directory: "" }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { entry, directory } = next;
    if (!entry.isDirectory) {
      found.files.push({ directory, file: await new Promise<File>((take, fail) => entry.file?.(take, fail)) });
    } else {
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      const content = await contentOf(entry);
      if (content.length === 0) found.emptyDirectories.push(path);
      waiting.push(...content.map((below) => ({ entry: below, directory: path })));
    }
    if (found.files.length + found.emptyDirectories.length + waiting.length > MOST_DROPPED) {
      throw new Error(
        `More than ${MOST_DROPPED} files at once are not taken: pack them into one, and unpack it in the terminal.`,
      );
    }
  }
  found.files.reverse();
  return found;
}

/** All entries of a directory; a reader gives some at a time, and none at the end. */
async function contentOf(directory: Entry): Promise<Entry[]> {
  const reader = directory.createReader?.();
  const all: Entry[] = [];
  while (reader && all.length <= MOST_DROPPED) {
    const some = await new Promise<Entry[]>((take, fail) => reader.readEntries(take, fail));
    if (some.length === 0) break;
    all.push(...some);
  }
  return all;
}

/** What was chosen by an input: one of directories tells where each file lies. */
export function chosenFiles(files: Iterable<File>): Dropped {
  const chosen = [...files].map((file) => ({
    file,
    directory: file.webkitRelativePath.split("/").slice(0, -1).join("/"),
  }));
  return { files: chosen, emptyDirectories: [] };
}

/** Names that will stand in the directory that was dropped into. */
export function topNames({ files, emptyDirectories }: Dropped): string[] {
  const paths = [
    ...files.map(({ file, directory }) => (directory === "" ? file.name : directory)),
    ...emptyDirectories,
  ];
  return [...new Set(paths.map((path) => path.split("/")[0]!))];
}
