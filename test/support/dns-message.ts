export const TYPE_A = 1;
export const TYPE_AAAA = 28;

/** The one question of a query, and where it ends. */
export function readQuestion(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** An answer with the addresses of the asked type; `undefined` addresses: the name does not exist (RFC 1035 section 4). */
export function answerTo(question: Buffer, addresses: readonly string[] | undefined, type: number): Buffer {
  const isSix = type === TYPE_AAAA;
  const matching = (addresses ?? []).filter((address) => address.includes(':') === isSix);
  const head = Buffer.from(question);
  // QR, RD and RA; NXDOMAIN where the name is unknown.
  head.writeUInt16BE(addresses === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(type === TYPE_A || isSix ? matching.length : 0, 6);
  head.writeUInt32BE(0, 8);
  const records = matching.map((address) => {
    const bytes = isSix ? sixteen(address) : Buffer.from(address.split('.').map(Number));
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, ...records]);
}

/** An IPv6 address with one `::`, possibly ending in an IPv4 address. */
function sixteen(address: string): Buffer {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [before = '', after] = hex.split('::');
  const front = before === '' ? [] : before.split(':');
  const back = after === undefined || after === '' ? [] : after.split(':');
  const middle = after === undefined ? [] : new Array<string>(8 - front.length - back.length).fill('0');
  const words = [...front, ...middle, ...back].map((word) => Number.parseInt(word, 16));
  return Buffer.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}
