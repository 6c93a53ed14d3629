/** micromatch has no types of its own; this is the part that the differential tests use. */
declare module 'micromatch' {
  interface Options {
    readonly dot?: boolean;
    readonly nobrace?: boolean;
    readonly noextglob?: boolean;
    readonly nonegate?: boolean;
    readonly nobracket?: boolean;
    readonly strictSlashes?: boolean;
  }
  const micromatch: { isMatch(text: string, pattern: string, options?: Options): boolean };
  export default micromatch;
}
