/**
 * A proxy URL without a slash at its end; null if the text is none. Clients speak plain HTTP to the proxy, and what they tunnel is
 * encrypted. User and password may stand in it: whoever gives it here has them already.
 */
export function proxyUrlOf(text: string): string | null {
  const url = URL.parse(text);
  const isProxy = url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.hash === '';
  return isProxy ? url.href.replace(/\/$/, '') : null;
}
