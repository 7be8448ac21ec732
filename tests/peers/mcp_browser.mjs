// The browser of a user who logs in at a login server for MCP clients: oidc-provider's own pages, or Keycloak's.
//
//   node mcp_browser.mjs < {"url","user":{"name","password","redirect"}}
//
// Prints {"returned"}: the address that the login server sends the user to.
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

// Follows redirects, fills in forms, and returns the address.
export async function browse(start, user) {
  const cookies = new Map();
  const plain = (value) => value.replaceAll('&amp;', '&').replaceAll('&#x2F;', '/').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
  const attribute = (tag, name) => { const found = tag.match(new RegExp(`\\b${name}="([^"]*)"`)); return found ? plain(found[1]) : undefined; };
  let url = new URL(start);
  let body;
  for (let step = 0; step < 20; step += 1) {
    const headers = { accept: 'text/html', cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    const answer = await fetch(url, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
    body = undefined;
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, ...value] = cookie.split(';')[0].split('=');
      cookies.set(name, value.join('='));
    }
    if (answer.headers.has('location')) {
      url = new URL(answer.headers.get('location'), url);
      if (url.href.startsWith(user.redirect)) return url;
      continue;
    }
    const page = await answer.text();
    const form = page.match(/<form[\s\S]*?<\/form>/)?.[0];
    if (!form) throw new Error(`no form at ${url.pathname}: ${answer.status} ${page.slice(0, 400)}`);
    body = new URLSearchParams();
    for (const [tag] of form.matchAll(/<(input|button)\b[^>]*>/g)) {
      const name = attribute(tag, 'name');
      const isButton = attribute(tag, 'type') === 'submit';
      if (name === 'login' || name === 'username') body.set(name, user.name);
      else if (name === 'password') body.set(name, user.password);
      else if (name && name !== 'cancel' && !(isButton && name === 'login') && attribute(tag, 'type') !== 'checkbox') body.set(name, attribute(tag, 'value') ?? '');
    }
    url = new URL(attribute(form, 'action'), url);
  }
  throw new Error(`the login did not end: ${url}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const input = JSON.parse(await text(process.stdin));
  console.log(JSON.stringify({ returned: (await browse(input.url, input.user)).href }));
}
