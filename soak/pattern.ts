const SIZE_MAX = 1 << 20;
const pattern = Buffer.from(Array.from({ length: SIZE_MAX }, (_, at) => 32 + ((at * 7 + (at >> 8)) % 95)));

/** So many bytes that both ends know, up to 1 MiB: printable, and not the same at every offset. */
export const patternOf = (size: number): Buffer => pattern.subarray(0, size);
