/** An address: 4 or 16 bytes in network order. `text` is canonical (dotted quad, or RFC 5952 without brackets). */
export interface Ip {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly text: string;
}
