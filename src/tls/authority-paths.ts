import path from 'node:path';

/** The files of a CA (contract section 3), all in one folder. */
export interface AuthorityPaths {
  readonly dir: string;
  readonly ca: string;
  readonly key: string;
  /** ca.pem and the system's roots. */
  readonly bundle: string;
  /** A trust store for Java, if `ca export --format p12` made one. */
  readonly trustStore: string;
}

export const authorityPaths = (dir: string): AuthorityPaths => ({
  dir,
  ca: path.join(dir, 'ca.pem'),
  key: path.join(dir, 'ca-key.pem'),
  bundle: path.join(dir, 'bundle.pem'),
  trustStore: path.join(dir, 'truststore.p12'),
});
