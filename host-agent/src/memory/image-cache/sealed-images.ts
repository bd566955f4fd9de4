import { closeSync } from "node:fs";
import { createSealedMemory, SEALED_PREFIX } from "../../linux/sealed-memory.ts";
import type { MemoryHeader } from "../store/header.ts";
import { composeInto } from "./compose.ts";

/** Sealed memory in the hands of one user. */
export interface SealedImage {
  /** Name that /proc/PID/maps shows. */
  path: string;
  fd: number;
  giveBack(): void;
}

interface Shared {
  fd: Promise<number>;
  /** Bytes that it may come to take: pages that are zero are taken when somebody touches them. */
  size: number;
  users: number;
}

/**
 * Guest memories in sealed files, for VMMs that open what they map for writing. All users of a header share one, which is
 * freed with the last of them. They are memory of the host and no cache, so they count among what is promised.
 */
export class SealedImages {
  readonly #layerPath: (id: string) => string;
  readonly #images = new Map<string, Shared>();

  constructor(layerPath: (id: string) => string) {
    this.#layerPath = layerPath;
  }

  /** Bytes of memory that all of them may come to take. */
  get bytes(): number {
    return [...this.#images.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** The memory of a header, composed if nobody has it yet. Whoever takes it checks the layers before it is used. */
  async take(header: MemoryHeader): Promise<SealedImage> {
    const name = `warren-${header.id}`;
    const image = this.#images.get(header.id) ?? this.#compose(header, name);
    image.users++;
    let held = true;
    const giveBack = () => {
      if (held && --image.users === 0) this.#free(header.id, image);
      held = false;
    };
    try {
      return { path: `${SEALED_PREFIX}${name}`, fd: await image.fd, giveBack };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  #compose({ id, entries, memorySize }: MemoryHeader, name: string): Shared {
    const fd = createSealedMemory(name, memorySize, (target) =>
      composeInto(target, entries, memorySize, this.#layerPath),
    );
    const image = { fd, size: memorySize, users: 0 };
    this.#images.set(id, image);
    return image;
  }

  #free(id: string, image: Shared): void {
    this.#images.delete(id);
    image.fd.then(closeSync, () => undefined);
  }
}
