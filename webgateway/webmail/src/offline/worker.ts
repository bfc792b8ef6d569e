// The worker that opens the app without a line and shows that mail came.
import { lang } from '../i18n';

/** Installs it; a browser without workers does as well, with a line. */
export async function install(): Promise<void> {
  try { await navigator.serviceWorker?.register(`/mail/sw.js?lang=${lang}`, { scope: '/mail' }); } catch { /* as in a private window */ }
}

/** Keeps the app itself on this device, the parts that were never opened too. */
export async function keepApp(): Promise<void> {
  if (!('caches' in globalThis)) return;
  const list = await (await fetch('/mail/assets.json')).json() as string[];
  const cache = await caches.open('colporteur-files');
  for (const old of await cache.keys()) {
    const path = new URL(old.url).pathname;
    if (path.startsWith('/mail/assets/') && !list.includes(path)) await cache.delete(old);
  }
  await cache.addAll(list);
  await cache.add('/mail');
}
