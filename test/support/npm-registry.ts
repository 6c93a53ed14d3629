import { createHash } from 'node:crypto';
import type { Answer } from './client-origin.ts';
import { tarGzOf } from './tar-gz.ts';

interface Dist {
  tarball: string;
  readonly integrity?: string;
  readonly shasum?: string;
}

interface Packument {
  readonly versions: Readonly<Record<string, { readonly dist: Dist }>>;
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

/** A package that is there from the beginning: one version, and one module that is a word. */
export interface PublishedPackage {
  readonly name: string;
  readonly version: string;
  readonly word: string;
}

/** A registry for npm that holds what was published to it: PUT and GET of `/NAME`, and of the tarballs under `/NAME/-/`. */
export function npmRegistry(...published: readonly PublishedPackage[]): Answer {
  const packumentByName = new Map(published.map((one) => [one.name, packumentOf(one)]));
  return (request, response, path) => {
    const [, name = '', , file] = path.split('/');
    if (request.method === 'PUT') {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      request.on('end', () => {
        packumentByName.set(name, JSON.parse(text) as Packument);
        response.writeHead(201).end('{}');
      });
      return;
    }
    const packument = packumentByName.get(name);
    if (packument === undefined) response.writeHead(404).end('{}');
    else if (file === undefined) {
      // npm writes "http:" there, which a registry mends.
      const host = request.headers.host ?? request.headers[':authority'];
      for (const { dist } of Object.values(packument.versions))
        dist.tarball = `https://${host}/${name}/-/${dist.tarball.split('/').at(-1)}`;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument));
    } else response.end(Buffer.from(packument._attachments[file]?.data ?? '', 'base64'));
  };
}

function packumentOf({ name, version, word }: PublishedPackage): Packument {
  const manifest = { name, version, main: 'index.js' };
  const archive = tarGzOf({
    'package/package.json': JSON.stringify(manifest),
    'package/index.js': `module.exports = ${JSON.stringify(word)};\n`,
  });
  const file = `${name}-${version}.tgz`;
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  const shasum = createHash('sha1').update(archive).digest('hex');
  return {
    ...{ name, 'dist-tags': { latest: version }, time: { [version]: '2026-01-01T00:00:00.000Z' } },
    versions: { [version]: { ...manifest, dist: { tarball: file, integrity, shasum } } },
    _attachments: { [file]: { data: archive.toString('base64') } },
  };
}
