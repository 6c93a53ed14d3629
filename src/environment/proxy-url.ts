/**
 * A proxy URL without a slash at its end; null if the text is none. Clients speak plain HTTP to the proxy, and what they tunnel is
 * encrypted. User and password may stand in it: whoever gives it here has them already.
 */
export function proxyUrlOf(text: string): string | null {
  // WHATWG URL drops line breaks and spaces, and would have mended what nobody meant.
  const url = /[\x00-\x20\x7f]/.test(text) ? null : URL.parse(text);
  const isProxy = url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.hash === '';
  return isProxy ? url.href.replace(/\/$/, '') : null;
}
