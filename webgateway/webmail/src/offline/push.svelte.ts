// News of new mail on this device while the app is closed (RFC 8620 §7.2): the
// browser's push service carries them, sealed, and the worker shows them.
import type { Client, Id } from '../jmap/client';

const capability = 'urn:ietf:params:jmap:webpush-vapid';
const name = 'colporteur:push';
const deviceName = 'colporteur:device';

// What this browser has subscribed. Its member is remembered: whoever signs in here
// next did not ask for it.
type Subscribed = { id: Id; member: string; url: string };

function remembered(): Subscribed | null {
  try { return JSON.parse(localStorage.getItem(name) ?? 'null'); } catch { return null; }
}

/** The browser's owner, or its settings, refuse notifications. */
export class Denied extends Error {}

class Push {
  on = $state(remembered() !== null);

  /** Whether browser and server can do it. On an iPhone: once the app is on the home screen. */
  can(client: Client): boolean {
    return 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window && !!client.session?.capabilities[capability]?.applicationServerKey;
  }

  /** Asks for leave and subscribes; must follow a click, or browsers do not ask. */
  async begin(client: Client): Promise<void> {
    if (await Notification.requestPermission() !== 'granted') throw new Denied();
    await this.#subscribe(client);
  }

  async #subscribe(client: Client): Promise<void> {
    const manager = (await navigator.serviceWorker.getRegistration('/mail'))?.pushManager;
    if (!manager) throw new Error('service worker');
    const applicationServerKey = octets(client.session.capabilities[capability].applicationServerKey);
    // One that was made for another key would be of no use to our server.
    let sub = await manager.getSubscription();
    if (sub && !same(sub.options.applicationServerKey, applicationServerKey)) { await sub.unsubscribe(); sub = null; }
    sub ??= await manager.subscribe({ userVisibleOnly: true, applicationServerKey });
    const url = sub.endpoint, { keys } = sub.toJSON();
    try {
      const got = await client.call('PushSubscription/set', { create: { here: { deviceClientId: device(), url, keys, types: ['EmailDelivery'] } } });
      if (!got.created.here) throw new Error(got.notCreated.here.description || got.notCreated.here.type);
      localStorage.setItem(name, JSON.stringify({ id: got.created.here.id, member: client.session.username, url } satisfies Subscribed));
      this.on = true;
    } catch (e) {
      await sub.unsubscribe();
      throw e;
    }
  }

  /** Ends it, at the browser's service and at our server. */
  async end(client: Client): Promise<void> {
    const had = await this.#forget();
    if (had && had.member === client.session.username) await client.call('PushSubscription/set', { destroy: [had.id] });
  }

  async #forget(): Promise<Subscribed | null> {
    const had = remembered();
    localStorage.removeItem(name);
    this.on = false;
    if (had) await (await (await navigator.serviceWorker?.getRegistration('/mail'))?.pushManager?.getSubscription())?.unsubscribe();
    return had;
  }

  /** Has it last on: our server forgets a device that nobody opens the app on. Without a line it stays as it is. */
  async renew(client: Client): Promise<void> {
    const have = remembered();
    if (!have || !this.can(client)) return;
    try {
      if (have.member !== client.session.username) { await this.#forget(); return; }
      if (Notification.permission !== 'granted') { await this.end(client); return; }
      const sub = await (await navigator.serviceWorker.getRegistration('/mail'))?.pushManager.getSubscription();
      const got = sub?.endpoint === have.url ? await client.call('PushSubscription/set', { update: { [have.id]: { expires: null } } }) : null;
      // It ended with the session that it was made with, or the browser changed the address.
      if (!got || !(have.id in got.updated)) await this.#subscribe(client);
    } catch (e) { console.info('news on this device were not renewed:', e); }
  }
}

function device(): string {
  let id = localStorage.getItem(deviceName);
  if (!id) localStorage.setItem(deviceName, id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join(''));
  return id;
}

function octets(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
}

function same(a: ArrayBuffer | null, b: Uint8Array): boolean {
  return a !== null && a.byteLength === b.length && new Uint8Array(a).every((x, i) => x === b[i]);
}

export const push = new Push();
