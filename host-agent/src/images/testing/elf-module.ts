/** A 64-bit ELF file with the sections .modinfo and .shstrtab, and nothing else: a kernel module to those who read modinfo. */
export function elfModule(modinfo: Record<string, string>): Buffer {
  const header = Buffer.alloc(64);
  const info = Buffer.from(
    Object.entries(modinfo)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(""),
  );
  const names = Buffer.from("\0.text\0.modinfo\0.shstrtab\0");
  const sections = [
    { name: 0, offset: 0, size: 0 },
    { name: names.indexOf(".modinfo"), offset: header.length, size: info.length },
    { name: names.indexOf(".shstrtab"), offset: header.length + info.length, size: names.length },
  ];
  header.write("\x7fELF\x02\x01\x01", 0, "latin1");
  header.writeBigUInt64LE(BigInt(header.length + info.length + names.length), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(sections.length, 0x3c);
  header.writeUInt16LE(2, 0x3e);
  const table = sections.map(({ name, offset, size }) => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(name, 0);
    entry.writeBigUInt64LE(BigInt(offset), 0x18);
    entry.writeBigUInt64LE(BigInt(size), 0x20);
    return entry;
  });
  return Buffer.concat([header, info, names, ...table]);
}
