import type { FieldList } from '../headers/field-list.ts';

/**
 * Heads and chunks as text of one character a byte. Names and values were checked when they were read or compiled, so that nothing here
 * can end a line.
 */
export function requestHeadText(method: string, target: string, fields: FieldList, framing: string): string {
  return `${method} ${target} HTTP/1.1\r\n${fieldsText(fields)}${framing}\r\n`;
}

export function responseHeadText(status: number, reason: string, fields: FieldList, framing: string): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${fieldsText(fields)}${framing}\r\n`;
}

export function fieldsText(fields: FieldList): string {
  let text = '';
  for (const { name, value } of fields) text += `${name}: ${value}\r\n`;
  return text;
}

/** The size line of a chunk of so many bytes; the data and a CRLF follow (RFC 9112 section 7.1). */
export const chunkStart = (bytes: number): string => `${bytes.toString(16)}\r\n`;
export const CHUNK_END = '\r\n';

/** The last chunk with its trailer section. */
export const lastChunk = (trailers: FieldList): string => `0\r\n${fieldsText(trailers)}\r\n`;
