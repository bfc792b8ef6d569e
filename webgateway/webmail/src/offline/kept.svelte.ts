// A copy of the last thirty days on this device, for a member who asked for it
// here: to read and to tidy up without a line. It goes when they sign out, when
// somebody else signs in, and when their session is ended from elsewhere.
import { MethodError, Offline, type Args, type Client, type Id } from '../jmap/client';
import { fullProperties, rowProperties, type Email, type Mailbox } from '../jmap/types';

const days = 30;
const some = 50; // mails that are asked for together
const wantedName = 'colporteur:keep';
const pagesName = 'colporteur-pages'; // the worker's store for the pages of HTML mails
const filesName = 'colporteur-files'; // and for the app itself

type Update = Record<Id, Args>;

const done = <T>(r: IDBRequest<T>): Promise<T> => new Promise((yes, no) => { r.onsuccess = () => yes(r.result); r.onerror = () => no(r.error); });

class Kept {
  wanted = $state(localStorage.getItem(wantedName) === '1');
  #db: Promise<IDBDatabase> | null = null;
  #busy: Promise<void> = Promise.resolve();

  #open(): Promise<IDBDatabase> {
    return this.#db ??= new Promise((yes, no) => {
      const r = indexedDB.open('colporteur', 1);
      r.onupgradeneeded = () => { for (const s of ['rows', 'mails', 'meta']) r.result.createObjectStore(s); r.result.createObjectStore('waiting', { autoIncrement: true }); };
      r.onsuccess = () => yes(r.result);
      r.onerror = () => no(r.error);
    });
  }

  async #write(stores: string[], f: (at: (name: string) => IDBObjectStore) => void): Promise<void> {
    const tx = (await this.#open()).transaction(stores, 'readwrite');
    f((name) => tx.objectStore(name));
    await new Promise<void>((yes, no) => { tx.oncomplete = () => yes(); tx.onerror = tx.onabort = () => no(tx.error); });
  }

  async #read<T>(store: string, f: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    return done(f((await this.#open()).transaction(store).objectStore(store)));
  }

  async meta<T>(name: string): Promise<T | undefined> { return this.#read('meta', (s) => s.get(name)); }

  /** Begins to keep a copy here. */
  async begin(client: Client): Promise<void> {
    localStorage.setItem(wantedName, '1');
    this.wanted = true;
    try { await navigator.storage?.persist?.(); } catch { /* the browser may clear it one day; it is a copy */ }
    await this.sync(client);
  }

  /** Forgets everything that was kept here. */
  async end(): Promise<void> {
    localStorage.removeItem(wantedName);
    this.wanted = false;
    (await this.#db?.catch(() => null))?.close();
    this.#db = null;
    await done(indexedDB.deleteDatabase('colporteur')).catch(() => {});
    if ('caches' in globalThis) await Promise.all([caches.delete(pagesName), caches.delete(filesName)]);
  }

  /** Brings the copy up to date, one run at a time; without a line it stays as it is. */
  sync(client: Client): Promise<void> {
    return this.#busy = this.#busy.then(async () => {
      if (!this.wanted) return;
      try {
        const owner = await this.meta<string>('owner');
        if (owner !== undefined && owner !== client.session.username) { await this.end(); return; }
        await this.flush(client);
        await this.#update(client);
      } catch (e) {
        if (!(e instanceof Offline) && !(e instanceof MethodError)) console.info('the copy is not up to date:', e); // as when the disk is full
      }
    });
  }

  async #update(client: Client): Promise<void> {
    const since = new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 19) + 'Z';
    const [boxes] = await client.calls(['Mailbox/get', { ids: null }]);
    await this.#write(['meta'], (at) => { at('meta').put(client.session.username, 'owner'); at('meta').put(client.session, 'session'); at('meta').put(boxes.list, 'mailboxes'); });
    let state = await this.meta<string>('state');
    for (let again = state !== undefined; again;) {
      try {
        const c = await client.call('Email/changes', { sinceState: state, maxChanges: 500 });
        await this.#write(['rows', 'mails'], (at) => { for (const id of c.destroyed) { at('rows').delete(id); at('mails').delete(id); } });
        await this.#fetch(client, [...c.created, ...c.updated], since);
        state = c.newState as string;
        await this.#write(['meta'], (at) => { at('meta').put(state, 'state'); });
        again = c.hasMoreChanges;
      } catch (e) {
        if (!(e instanceof MethodError)) throw e;
        state = undefined; // too long ago: all again
        again = false;
      }
    }
    if (state === undefined) {
      const now = (await client.call('Email/get', { ids: [], properties: ['id'] })).state as string;
      await this.#write(['rows', 'mails'], (at) => { at('rows').clear(); at('mails').clear(); });
      for (let position = 0; ;) {
        const q = await client.call('Email/query', { filter: { after: since }, sort: [{ property: 'receivedAt', isAscending: false }], position, limit: 500 });
        await this.#fetch(client, q.ids, since);
        if (q.ids.length === 0 || (position += q.ids.length) >= 20_000) break;
      }
      await this.#write(['meta'], (at) => { at('meta').put(now, 'state'); });
    }
    const old = (await this.rows()).filter((m) => m.receivedAt < since);
    await this.#write(['rows', 'mails'], (at) => { for (const m of old) { at('rows').delete(m.id); at('mails').delete(m.id); } });
  }

  async #fetch(client: Client, ids: Id[], since: string): Promise<void> {
    for (let i = 0; i < ids.length; i += some) {
      const got = await client.call('Email/get', { ids: ids.slice(i, i + some), properties: fullProperties, fetchTextBodyValues: true, maxBodyValueBytes: 100_000 });
      const list = (got.list as Email[]).filter((m) => m.receivedAt >= since);
      await this.#write(['rows', 'mails'], (at) => {
        for (const m of list) {
          at('rows').put(Object.fromEntries(rowProperties.map((p) => [p, (m as unknown as Record<string, unknown>)[p]])), m.id);
          at('mails').put(m, m.id);
        }
        for (const id of got.notFound) { at('rows').delete(id); at('mails').delete(id); }
      });
      if ('caches' in globalThis) {
        const pages = await caches.open(pagesName);
        for (const m of list) if ((m.htmlBody ?? []).some((p) => p.type === 'text/html') && !(await pages.match(`/mail/message/${m.id}`))) await pages.add(`/mail/message/${m.id}`).catch(() => {});
      }
    }
  }

  // Reading without a line.

  rows(): Promise<Email[]> { return this.#read('rows', (s) => s.getAll()); }

  /** The list of a folder or a search, newest first, one mail for each conversation. */
  async list(folder: Id | null, search: string): Promise<Email[]> {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (m: Email) => words.every((w) => [m.subject, m.preview, ...(m.from ?? []).map((p) => `${p.name} ${p.email}`)].some((s) => s?.toLowerCase().includes(w)));
    const seen = new Set<Id>();
    return (await this.rows()).filter((m) => (words.length > 0 ? has(m) : folder !== null && m.mailboxIds[folder]))
      .sort((a, b) => b.receivedAt.localeCompare(a.receivedAt)).filter((m) => words.length > 0 || (!seen.has(m.threadId) && seen.add(m.threadId)));
  }

  async thread(id: Id): Promise<Email[]> {
    const row = await this.#read('rows', (s) => s.get(id)) as Email | undefined;
    if (!row) return [];
    const ids = (await this.rows()).filter((m) => m.threadId === row.threadId).map((m) => m.id);
    const all = await Promise.all(ids.map((i) => this.#read('mails', (s) => s.get(i)) as Promise<Email | undefined>));
    return all.filter((m) => m !== undefined);
  }

  // Doing without a line: written down here, done when it is back.

  async wait(update: Update): Promise<void> {
    const rows = new Map((await this.rows()).map((m) => [m.id, m]));
    await this.#write(['waiting', 'rows'], (at) => {
      at('waiting').add(update);
      for (const [id, change] of Object.entries(update)) {
        const m = rows.get(id);
        if (m) at('rows').put(patched(m, change), id);
      }
    });
  }

  async flush(client: Client): Promise<void> {
    const keys = await this.#read('waiting', (s) => s.getAllKeys());
    for (const key of keys) {
      const update = await this.#read('waiting', (s) => s.get(key)) as Update;
      try { await client.call('Email/set', { update }); } catch (e) { if (!(e instanceof MethodError)) throw e; }
      await this.#write(['waiting'], (at) => { at('waiting').delete(key); });
    }
  }
}

/** An email after a change of RFC 8620 §5.3, as far as lists show it. */
export function patched(m: Email, change: Args): Email {
  const out = { ...m, keywords: { ...m.keywords }, mailboxIds: { ...m.mailboxIds } };
  for (const [path, v] of Object.entries(change)) {
    if (path === 'mailboxIds') { out.mailboxIds = v as Email['mailboxIds']; continue; }
    const [of, name] = path.split('/') as ['keywords' | 'mailboxIds', string];
    if (of !== 'keywords' && of !== 'mailboxIds') continue;
    if (v) out[of][name] = true; else delete out[of][name];
  }
  return out;
}

export const kept = new Kept();
