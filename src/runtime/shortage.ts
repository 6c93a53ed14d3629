import type { Finding } from '../policy/model.ts';

/** What the system, or Node, answers when there is no more of something: descriptors, memory, threads. It passes, and nothing tells when. */
const CODES = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ERR_WORKER_INIT_FAILED'] as const;
const IN_TEXT = new RegExp(`\\((${CODES.join('|')})\\)`);

export const isShortage = (code: string): boolean => CODES.some((each) => each === code);

/** Whether something could not be read for such a reason: then the files are as they should be, and it is worth reading them again. */
export const cameOfShortage = (findings: readonly Finding[]): boolean =>
  findings.some(({ text }) => IN_TEXT.test(text));
