/** Numbers of the DNS (IANA "Domain Name System Parameters"). */
export const TYPE = { A: 1, CNAME: 5, HINFO: 13, AAAA: 28, OPT: 41, SVCB: 64, HTTPS: 65, ANY: 255 } as const;
export const CLASS_IN = 1;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Its upper bits stand in the OPT record (RFC 6891 section 6.1.3). */
  BADVERS: 16,
} as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** RFC 8914 section 4. */
export const EXTENDED_ERROR = { OTHER: 0, BLOCKED: 15, PROHIBITED: 18 } as const;
export type ExtendedError = (typeof EXTENDED_ERROR)[keyof typeof EXTENDED_ERROR];

/** Types that ask for more than records of a name: OPT and 128 to 255 but ANY (RFC 6895 section 3.1), zone transfers among them. */
export const isMetaType = (type: number): boolean =>
  type === TYPE.OPT || type === 0 || (type >= 128 && type < TYPE.ANY);

const MNEMONICS: ReadonlyMap<number, string> = new Map([
  ...Object.entries(TYPE).map(([name, number]) => [number, name] as const),
  [2, 'NS'],
  [6, 'SOA'],
  [12, 'PTR'],
  [15, 'MX'],
  [16, 'TXT'],
  [33, 'SRV'],
  [257, 'CAA'],
]);

/** As it stands in records of what was asked; RFC 3597 section 5 for what has no name here. */
export const typeName = (type: number): string => MNEMONICS.get(type) ?? `TYPE${type}`;
