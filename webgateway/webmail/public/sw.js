// The worker of the webmail: it opens the app without a line, and shows that mail
// came. What it keeps of the mail itself is what the app put there (src/offline).
const files = 'colporteur-files', pages = 'colporteur-pages';
const lang = new URL(location.href).searchParams.get('lang') === 'en' ? 'en' : 'fr';
const words = lang === 'en' ? { mail: 'New mail', more: (n) => `${n} new messages`, nobody: '(unknown sender)', nothing: '(no subject)' }
  : { mail: 'Nouveau courrier', more: (n) => `${n} nouveaux messages`, nobody: '(expéditeur inconnu)', nothing: '(sans objet)' };

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (e) => e.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== 'GET' || url.origin !== location.origin) return;
  if (e.request.mode === 'navigate' && /^\/mail\/?$/.test(url.pathname)) e.respondWith(shell(e.request));
  else if (url.pathname.startsWith('/mail/assets/') || /^\/assets\/(atkinson|icon)/.test(url.pathname)) e.respondWith(file(e.request));
  else if (url.pathname.startsWith('/mail/message/')) e.respondWith(fetch(e.request).catch(async () => (await caches.match(url.pathname, { cacheName: pages })) ?? Response.error()));
});

// The page of the app: the server's, else the last one that it gave. Another page
// (the door, an error) is never kept in its place.
async function shell(request) {
  try {
    const got = await fetch(request);
    if (got.ok && !got.redirected && got.type === 'basic') {
      const copy = got.clone();
      void caches.open(files).then((c) => c.put('/mail', copy));
    }
    return got;
  } catch {
    return (await caches.match('/mail', { cacheName: files })) ?? Response.error();
  }
}

// The app's own files never change under their names.
async function file(request) {
  const cache = await caches.open(files);
  const have = await cache.match(request);
  if (have) return have;
  const got = await fetch(request);
  if (got.ok) await cache.put(request, got.clone());
  return got;
}

const using = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'];
async function call(...methodCalls) {
  const session = await (await fetch('/jmap/session', { credentials: 'same-origin' })).json();
  const accountId = session.primaryAccounts[using[1]];
  const r = await fetch('/jmap/api', {
    method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ using, methodCalls: methodCalls.map(([name, args, id]) => [name, name.startsWith('PushSubscription/') ? args : { accountId, ...args }, id]) }),
  });
  return (await r.json()).methodResponses;
}

self.addEventListener('push', (e) => e.waitUntil(pushed(e.data)));

async function pushed(data) {
  let what = {};
  try { what = data.json(); } catch { /* nothing that we know */ }
  if (what['@type'] === 'PushVerification') {
    await call(['PushSubscription/set', { update: { [what.pushSubscriptionId]: { verificationCode: what.verificationCode } } }, 'v']);
    return;
  }
  // Push services tell the browser that something was shown each time; the words
  // come from our own server, never through theirs.
  let title = words.mail, body = '';
  try {
    const got = await call(['Mailbox/query', { filter: { role: 'inbox' } }, 'm'],
      ['Email/query', { filter: { operator: 'AND', conditions: [{ notKeyword: '$seen' }, { after: new Date(Date.now() - 3_600_000).toISOString().slice(0, 19) + 'Z' }] }, sort: [{ property: 'receivedAt', isAscending: false }], limit: 5 }, 'q'],
      ['Email/get', { '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' }, properties: ['from', 'subject', 'mailboxIds'] }, 'g']);
    const inbox = got[0][1].ids[0];
    const mails = got[2][1].list.filter((m) => m.mailboxIds[inbox]);
    if (mails.length === 0) { // read on another device meanwhile
      for (const n of await self.registration.getNotifications({ tag: 'mail' })) n.close();
      if ((await self.clients.matchAll({ type: 'window' })).some((c) => c.visibilityState === 'visible')) return;
    } else if (mails.length === 1) {
      title = mails[0].from?.[0]?.name || mails[0].from?.[0]?.email || words.nobody;
      body = mails[0].subject || words.nothing;
    } else title = words.more(mails.length);
  } catch { /* no line, or signed out: that mail came is all that can be said */ }
  await self.registration.showNotification(title, { body, tag: 'mail', icon: '/mail/icon-192.png', badge: '/mail/icon-192.png', lang, data: '/mail' });
}

self.addEventListener('notificationclick', (e) => {
  e.notification.close();
  e.waitUntil((async () => {
    const open = (await self.clients.matchAll({ type: 'window' })).find((c) => new URL(c.url).pathname.startsWith('/mail'));
    return open ? open.focus() : self.clients.openWindow('/mail');
  })());
});
