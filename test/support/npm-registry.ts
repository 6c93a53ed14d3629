import type { Answer } from './client-origin.ts';

interface Packument {
  readonly versions: Readonly<Record<string, { readonly dist: { tarball: string } }>>;
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

/** A registry for npm that holds what was published to it: PUT and GET of `/NAME`, and of the tarballs under `/NAME/-/`. */
export function npmRegistry(): Answer {
  const packumentByName = new Map<string, Packument>();
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
      // As npm wrote them they have "http:", which a registry mends.
      for (const { dist } of Object.values(packument.versions)) dist.tarball = dist.tarball.replace(/^http:/, 'https:');
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument));
    } else response.end(Buffer.from(packument._attachments[file]?.data ?? '', 'base64'));
  };
}
