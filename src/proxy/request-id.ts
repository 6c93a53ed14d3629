import { randomBytes } from 'node:crypto';

const PREFIX_CHARACTERS = 8;
const prefix = randomBytes(8)
  .readBigUInt64BE()
  .toString(36)
  .slice(0, PREFIX_CHARACTERS)
  .padStart(PREFIX_CHARACTERS, '0');
let count = 0;

/** An id for one request, unique over processes and restarts: a random prefix of this process and a count. */
export function requestId(): string {
  count++;
  return `${prefix}-${count}`;
}
