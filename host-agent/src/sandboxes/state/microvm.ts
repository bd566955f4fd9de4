import type { GuestClient } from "../../guest/client.ts";
import type { MemoryImage } from "../../memory/image-cache/image-cache.ts";
import type { Slot, SlotPool } from "../../network/network.ts";
import type { Vm } from "../../vmm/vmm.ts";

/**
 * The microVM of a sandbox, with all that it holds on the host: it gets one after the other when it is started, and gives
 * all of it back when it ends, however far the start came.
 */
export class Microvm {
  /** What its memory is mapped from. */
  image: MemoryImage | undefined;
  slot: Slot | undefined;
  vm: Vm | undefined;
  guest: GuestClient | undefined;

  /** Ends its process, and resolves when that is gone. Tried once: what withstands it is for the sweep of its jail. */
  async kill(): Promise<void> {
    const { vm } = this;
    this.vm = undefined;
    this.guest?.close();
    await vm?.kill();
  }

  /** Lets it run on for the next host agent. */
  async detach(): Promise<void> {
    this.guest?.close();
    await this.vm?.detach();
  }

  /** Gives back its network, once its process is gone. */
  async leaveSlot(slots: SlotPool): Promise<void> {
    if (this.slot) await slots.release(this.slot);
  }

  /** Gives back its memory, once its process is gone. */
  async leaveImage(): Promise<void> {
    await this.image?.release();
  }
}

/** One that has been started and has not been told to end. */
export type LiveMicrovm = Microvm & { image: MemoryImage; slot: Slot; vm: Vm; guest: GuestClient };
