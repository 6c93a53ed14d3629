import { Agent, request } from 'node:http';
import { errorCode } from '../../errors.ts';
import { type Environment, NETWORK_MS, ok, problem, type Result, within } from './check.ts';

/** In the order of what most programs look at. */
const VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'] as const;
const ANSWER_BYTES_MAX = 256 * 1024;
const SET = 'set the variables that "postern env" prints';

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly isPostern: boolean;
  readonly body: string;
}

export interface ProxyCheck {
  readonly result: Result;
  /** The URL of the variables, where there is one. */
  readonly url: URL | null;
  /** The CA as the proxy tells it, where the policy says `introspect: true`. */
  readonly caPem: string | null;
}

/** Whether a Postern answers at the address that the variables give. */
export async function checkProxy(env: Environment): Promise<ProxyCheck> {
  const name = VARIABLES.find((each) => env[each] !== undefined && env[each] !== '');
  if (name === undefined) return failed('no variable names a proxy', SET);
  const url = URL.parse(env[name] ?? '');
  if (url?.protocol !== 'http:') return failed(`${name} is no http:// URL`, SET);
  const where = url.host;
  const answer = await within(NETWORK_MS, (signal) => askForCa(url, signal)).catch((error: unknown) =>
    errorCode(error),
  );
  if (answer === null) return failed(`${where} does not answer`, 'let the sandbox reach that address');
  if (typeof answer === 'string')
    return failed(`${where} cannot be reached (${answer})`, 'start the proxy, or let the sandbox reach that address');
  if (!answer.isPostern) return failed(`${where} is not Postern`, `see what listens there, and ${SET}`);
  if (answer.status === 407 || answer.code === 'IDENTITY_CONFLICT')
    return failed(
      `${where} does not know who we are (${answer.code})`,
      'put the token of the sandbox into the URL of the variables',
    );
  const caPem = answer.status === 200 && answer.body.includes('BEGIN CERTIFICATE') ? answer.body : null;
  return { result: ok('proxy', `Postern at ${where}`), url, caPem };
}

const failed = (text: string, todo: string): ProxyCheck => ({
  result: problem('proxy', text, todo),
  url: null,
  caPem: null,
});

/** Every answer to this says that it is Postern's: the CA, or a denial. */
function askForCa(proxy: URL, signal: AbortSignal): Promise<Answer> {
  const { hostname, port, username, password } = proxy;
  const token = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = {
    host: 'postern.internal',
    ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(token).toString('base64')}` }),
  };
  return new Promise((resolve, reject) => {
    const asked = request({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      path: 'http://postern.internal/ca.pem',
      headers,
      signal,
      // The default one obeys NODE_USE_ENV_PROXY, and would ask the proxy for the proxy.
      agent: new Agent(),
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        if (body.length < ANSWER_BYTES_MAX) body += text;
      });
      response.on('error', reject);
      response.on('end', () => {
        const code = response.headers['x-postern-error'];
        const isPostern = code !== undefined || response.headers['x-postern-id'] !== undefined;
        const isOwnCa = response.statusCode === 200 && body.startsWith('-----BEGIN CERTIFICATE');
        resolve({
          status: response.statusCode ?? 0,
          code: typeof code === 'string' ? code : null,
          isPostern: isPostern || isOwnCa,
          body,
        });
      });
    });
    asked.end();
  });
}
