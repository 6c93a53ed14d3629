declare const POSTERN_VERSION: string | undefined;

/** The version in package.json, put in by the build; `0.0.0-source` when the sources are run as they are. */
export const VERSION: string = typeof POSTERN_VERSION === 'string' ? POSTERN_VERSION : '0.0.0-source';
