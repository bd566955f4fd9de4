import type { BaseImage } from "../disk/disk.ts";

/** Files from which a microVM boots, in the image directory, immutable, in folders named by a hash of their inputs. */
export interface BootImages {
  /** Compressed kernel as Debian ships it. */
  vmlinuz: string;
  /** The ELF kernel inside, which Firecracker needs. */
  vmlinux: string;
  /** Kernel release, such as 6.1.0-42-cloud-amd64. */
  kernelRelease: string;
  initramfs: string;
  base: BaseImage;
  /** Root file system with Node and npm; absent unless it was asked for. */
  node?: BaseImage;
}

/** Says what is being built; `fraction` is from 0 to 1 when it is known. */
export type Progress = (step: string, detail?: string, fraction?: number) => void;
