// What the app knows of the member's mail, and what can be done with it.
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { Client, MethodError, Offline, type Args, type Id, type Session } from '../jmap/client';
import { fullProperties, rowProperties, type Email, type Mailbox } from '../jmap/types';
import { count, t } from '../i18n';
import { kept, patched } from '../offline/kept.svelte';
import { push } from '../offline/push.svelte';
import type { MailPlace } from '../route.svelte';
import { count as laterCount, t as later, said as saidLater } from './later';
import { filterOf } from './search';

const page = 50; // rows that are asked for together

export type Toast = { text: string; undo?: () => Promise<void> };

export class Box {
  readonly client = new Client();
  mailboxes = $state.raw<Mailbox[]>([]);
  folder = $state<Id | null>(null);
  search = $state('');
  total = $state<number | null>(null); // of the list; null while it is not known
  ids = $state.raw<(Id | undefined)[]>([]); // by position; undefined is not loaded
  rows = new SvelteMap<Id, Email>();
  snippets = new SvelteMap<Id, { subject: string | null; preview: string | null }>(); // where a search found its words
  selected = new SvelteSet<Id>();
  cursor = $state(-1); // position of the keyboard in the list
  opened = $state<Id | null>(null); // the email whose conversation is read
  thread = $state.raw<Email[]>([]); // oldest first
  online = $state(true);
  ready = $state(false); // the session is known
  room = $state.raw<{ used: number; hardLimit: number } | null>(null); // of the mailbox, when it has a limit
  toast = $state<Toast | null>(null);

  #state = '';
  #asked = new Set<number>(); // pages under way
  #list = 0; // changes with every list: late answers to an old one are dropped
  #clear = 0;

  /** Begins where the address says. */
  async start(at: MailPlace): Promise<void> {
    this.client.ended = () => kept.end();
    try { await this.client.open(); } catch (e) {
      const session = kept.wanted && e instanceof Offline ? await kept.meta<Session>('session') : undefined;
      if (!session) throw e;
      this.client.resume(session);
      this.online = false;
    }
    this.ready = true;
    await this.loadMailboxes();
    this.folder = this.#known(at.folder);
    this.search = at.search;
    await this.reload();
    if (at.email) void this.read(at.email);
    if (this.client.has('urn:ietf:params:jmap:quota')) void this.try(async () => { this.room = (await this.client.call('Quota/get', { ids: null })).list[0] ?? null; });
    this.client.watch(['Email', 'Mailbox'], (now) => { if (now.Email && now.Email !== this.#state) void this.refresh(); });
    void kept.sync(this.client);
    void push.renew(this.client);
    addEventListener('online', () => void kept.sync(this.client).then(() => this.refresh()));
    addEventListener('offline', () => { this.online = false; });
  }

  #known = (folder: Id | null): Id | null => this.mailboxes.find((m) => m.id === folder)?.id ?? this.role('inbox')?.id ?? this.mailboxes[0]?.id ?? null;

  /** Follows the address: the back button, or a link that was kept. */
  async goTo(at: MailPlace): Promise<void> {
    const folder = this.#known(at.folder);
    if (at.search !== this.search || (at.search === '' && folder !== this.folder)) {
      this.close();
      if (at.search === '') this.folder = folder;
      this.search = at.search;
      await this.reload();
    }
    if (at.email === null) this.close();
    else if (at.email !== this.opened) await this.read(at.email);
  }

  role = (role: string): Mailbox | undefined => this.mailboxes.find((m) => m.role === role);
  get current(): Mailbox | undefined { return this.mailboxes.find((m) => m.id === this.folder); }

  async loadMailboxes(): Promise<void> {
    const got = await this.try(() => this.client.call('Mailbox/get', { ids: null }));
    const list = got?.list ?? (kept.wanted ? await kept.meta<Mailbox[]>('mailboxes') : undefined);
    if (list) this.mailboxes = (list as Mailbox[]).sort((a, b) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name));
  }

  /** Runs f; that the server is away is shown, and nothing more. */
  async try<T>(f: () => Promise<T>): Promise<T | undefined> {
    try {
      const out = await f();
      this.online = true;
      return out;
    } catch (e) {
      if (e instanceof Offline) this.online = false;
      else if (e instanceof MethodError || e instanceof Error) this.say({ text: t('failed', { why: e.message }) });
      return undefined;
    }
  }

  say(toast: Toast): void {
    clearTimeout(this.#clear);
    this.toast = toast;
    this.#clear = setTimeout(() => { this.toast = null; }, toast.undo ? 10_000 : 5_000) as unknown as number;
  }

  get #row(): string[] { return this.current?.role === 'snoozed' && this.client.has('urn:colporteur:params:jmap:mail') ? [...rowProperties, 'snoozedUntil'] : rowProperties; }

  // The list.

  async show(folder: Id): Promise<void> {
    this.folder = folder;
    this.search = '';
    await this.reload();
  }

  async find(text: string): Promise<void> {
    this.search = text;
    await this.reload();
  }

  async reload(): Promise<void> {
    this.#list++;
    this.#asked.clear();
    this.selected.clear();
    this.snippets.clear();
    this.ids = [];
    this.total = null;
    this.cursor = -1;
    await this.ensure(0, page);
  }

  get #query(): Args {
    const search = this.search.trim();
    return {
      filter: search ? filterOf(search, this.mailboxes) : { inMailbox: this.folder, ...(this.current?.role === 'inbox' ? { notKeyword: '$muted' } : {}) },
      sort: [...(search ? [] : ['$pinned', '$new'].map((keyword) => ({ property: 'hasKeyword', keyword, isAscending: false }))), { property: 'receivedAt', isAscending: false }], collapseThreads: !search && this.current?.role !== 'drafts', calculateTotal: true,
    };
  }

  /** Loads the rows from..to that are missing. */
  async ensure(from: number, to: number): Promise<void> {
    const list = this.#list;
    const pages: number[] = [];
    for (let p = Math.floor(Math.max(from, 0) / page); p * page < to && (this.total === null || p * page < Math.max(this.total, 1)); p++) {
      if (this.#asked.has(p)) continue;
      this.#asked.add(p);
      pages.push(p);
    }
    await Promise.all(pages.map(async (p) => {
      const got = await this.try(() => this.client.calls(
        ['Email/query', { ...this.#query, position: p * page, limit: page }, 'q'],
        ['Email/get', { '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' }, properties: this.#row }, 'g'],
      ));
      if (list !== this.#list) return;
      if (!got) { this.#asked.delete(p); if (!this.online) await this.#fromKept(list); return; }
      const [query, mails] = got;
      this.#state = mails.state;
      for (const m of mails.list as Email[]) this.rows.set(m.id, m);
      const ids = this.ids.slice();
      ids.length = query.total;
      (query.ids as Id[]).forEach((id, i) => { ids[query.position + i] = id; });
      this.ids = ids;
      this.total = query.total;
      if (this.search.trim() && query.ids.length > 0) void this.#mark(query.ids as Id[], list);
    }));
  }

  // Without a line the list is that of the copy on this device, if there is one.
  async #fromKept(list: number): Promise<void> {
    if (!kept.wanted) return;
    const rows = await kept.list(this.folder, this.search.trim());
    if (list !== this.#list) return;
    for (const m of rows) this.rows.set(m.id, m);
    this.ids = rows.map((m) => m.id);
    this.total = rows.length;
  }

  // Says where the words were found; the list does not wait for it.
  async #mark(ids: Id[], list: number): Promise<void> {
    const got = await this.try(() => this.client.call('SearchSnippet/get', { filter: this.#query.filter, emailIds: ids }));
    if (got && list === this.#list) for (const s of got.list) this.snippets.set(s.emailId, { subject: s.subject, preview: s.preview });
  }

  /** Looks at what changed: the same list again, from where it is shown. */
  async refresh(around = this.#seen): Promise<void> {
    const list = ++this.#list;
    const first = Math.floor(Math.max(around[0], 0) / page), last = Math.floor(Math.max(around[1] - 1, 0) / page);
    const got = await this.try(() => this.client.calls(
      ['Email/query', { ...this.#query, position: first * page, limit: (last - first + 1) * page }, 'q'],
      ['Email/get', { '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' }, properties: this.#row }, 'g'],
      ['Mailbox/get', { ids: null }, 'm'],
    ));
    if (!got && !this.online) await this.#fromKept(list);
    if (!got || list !== this.#list) return;
    void kept.sync(this.client);
    const [query, mails, boxes] = got;
    this.#state = mails.state;
    this.#asked = new Set(Array.from({ length: last - first + 1 }, (_, i) => first + i));
    for (const m of mails.list as Email[]) this.rows.set(m.id, m);
    const ids: (Id | undefined)[] = [];
    ids.length = query.total;
    (query.ids as Id[]).forEach((id, i) => { ids[query.position + i] = id; });
    this.ids = ids;
    this.total = query.total;
    this.mailboxes = (boxes.list as Mailbox[]).sort((a, b) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name));
    if (this.opened) await this.read(this.opened, false);
  }
  #seen: [number, number] = [0, page];
  seen(from: number, to: number): void { this.#seen = [from, to]; void this.ensure(from, to); }

  // Reading.

  async read(id: Id, mark = true): Promise<void> {
    this.opened = id;
    const row = this.rows.get(id);
    const got = await this.try(() => this.client.calls(
      row ? ['Thread/get', { ids: [row.threadId] }, 't'] : ['Email/get', { ids: [id], properties: ['threadId'] }, 't'],
      ['Email/get', {
        ...(row ? { '#ids': { resultOf: 't', name: 'Thread/get', path: '/list/*/emailIds' } } : { ids: [id] }),
        properties: this.client.has('urn:colporteur:params:jmap:mail') ? [...fullProperties, 'proof', 'snoozedUntil'] : fullProperties, fetchTextBodyValues: true, maxBodyValueBytes: 400_000,
      }, 'g'],
    ));
    const all = got?.[1].list ?? (!this.online && kept.wanted ? await kept.thread(id) : undefined);
    if (!all || this.opened !== id) return;
    this.thread = (all as Email[]).filter((m) => m.id === id || this.#belongs(m)).sort((a, b) => a.receivedAt.localeCompare(b.receivedAt));
    if (this.thread.length === 0) { this.close(); return; }
    // What is read is neither unread nor just back.
    const unread = this.thread.filter((m) => !m.keywords.$seen || m.keywords.$new).map((m) => m.id);
    if (mark && unread.length > 0) await this.patch(unread, { 'keywords/$seen': true, 'keywords/$new': null });
  }

  // A conversation is read whole, whatever folders it lies in, but for what was
  // thrown away or is junk; where those are shown, they are all that is.
  #belongs(m: Email): boolean {
    const aside = [this.role('trash')?.id, this.role('junk')?.id].filter((x) => x !== undefined);
    if (!this.search && this.folder && aside.includes(this.folder)) return !!m.mailboxIds[this.folder];
    return Object.keys(m.mailboxIds).some((f) => !aside.includes(f));
  }

  close(): void {
    this.opened = null;
    this.thread = [];
  }

  // Doing.

  /** Changes emails here at once, and at the server; what it refuses is seen at the next look. */
  async patch(ids: Id[], change: Args): Promise<boolean> {
    for (const id of ids) this.#apply(id, change);
    const got = await this.#set(Object.fromEntries(ids.map((id) => [id, change])));
    const bad = got && Object.values(got.notUpdated ?? {})[0] as { type: string; description?: string } | undefined;
    if (bad) this.say({ text: t('failed', { why: bad.description || bad.type }) });
    await this.refresh();
    return !!got && !bad;
  }

  // Changes emails at the server; without a line, where there is a copy, when it
  // is back.
  async #set(update: Record<Id, Args>): Promise<any> {
    const got = await this.try(() => this.client.call('Email/set', { update }));
    if (got || this.online || !kept.wanted) return got;
    await kept.wait(update);
    return { updated: {} };
  }

  #apply(id: Id, change: Args): void {
    const row = this.rows.get(id);
    if (row) this.rows.set(id, patched(row, change));
    this.thread = this.thread.map((m) => (m.id === id ? patched(m, change) : m));
  }

  /** What an action is about: the chosen rows, else the open conversation, else the row at the cursor. */
  get target(): Id[] {
    if (this.selected.size > 0) return [...this.selected];
    if (this.opened) return [this.opened];
    const at = this.ids[this.cursor];
    return at ? [at] : [];
  }

  /** All emails of the conversations of rows that are in the folder that is shown. */
  async #whole(rows: Id[]): Promise<Email[]> {
    const threads = [...new Set(rows.map((id) => this.rows.get(id)?.threadId).filter((x) => x !== undefined))];
    const got = await this.try(() => this.client.calls(
      ['Thread/get', { ids: threads }, 't'],
      ['Email/get', { '#ids': { resultOf: 't', name: 'Thread/get', path: '/list/*/emailIds' }, properties: ['id', 'mailboxIds', 'keywords', 'threadId'] }, 'g'],
    ));
    const local = !got && !this.online && kept.wanted ? (await kept.rows()).filter((m) => threads.includes(m.threadId)) : [];
    const all = (got?.[1].list ?? local) as Email[];
    return this.search ? all.filter((m) => rows.includes(m.id)) : all.filter((m) => this.folder !== null && m.mailboxIds[this.folder]);
  }

  async moveTo(target: Mailbox, said: 'archived' | 'deleted' | 'moved', rows = this.target): Promise<void> {
    const mails = await this.#whole(rows);
    if (mails.length === 0) return;
    this.#leave(rows);
    const update = Object.fromEntries(mails.map((m) => [m.id, { mailboxIds: { [target.id]: true } }]));
    const back = Object.fromEntries(mails.map((m) => [m.id, { mailboxIds: m.mailboxIds }]));
    const got = await this.#set(update);
    const bad = got && Object.values(got.notUpdated ?? {})[0] as { type: string; description?: string } | undefined;
    if (bad) this.say({ text: t('failed', { why: bad.description || bad.type }) });
    else if (got) this.say({ text: count(said, rows.length, { folder: nameOf(target) }), undo: async () => { await this.#set(back); await this.refresh(); } });
    await this.refresh();
  }

  async destroy(rows = this.target): Promise<void> {
    const mails = await this.#whole(rows);
    if (mails.length === 0) return;
    this.#leave(rows);
    const got = await this.try(() => this.client.call('Email/set', { destroy: mails.map((m) => m.id) }));
    if (got) this.say({ text: count('destroyed', rows.length) });
    await this.refresh();
  }

  // After what was open has left the list, the next one is.
  #leave(rows: Id[]): void {
    if (this.opened && rows.includes(this.opened)) {
      const at = this.ids.indexOf(this.opened);
      const next = this.ids.slice(at + 1).find((id) => id && !rows.includes(id));
      this.close();
      if (next && matchMedia('(min-width: 48rem)').matches) void this.read(next);
    }
    this.selected.clear();
  }

  /** Puts conversations aside until an hour. */
  async later(when: Date, rows = this.target): Promise<void> {
    const mails = await this.#whole(rows);
    if (mails.length === 0) return;
    this.#leave(rows);
    const ids = mails.map((m) => m.id);
    const got = await this.try(() => this.client.call('Email/snooze', { ids, until: when.toISOString().slice(0, 19) + 'Z' }));
    const bad = got && Object.values(got.notUpdated ?? {})[0] as { type: string; description?: string } | undefined;
    if (bad) this.say({ text: t('failed', { why: bad.description || bad.type }) });
    else if (got) this.say({ text: laterCount('put', rows.length, { when: saidLater(when) }), undo: async () => { await this.try(() => this.client.call('Email/snooze', { ids, until: null })); await this.refresh(); } });
    await this.refresh();
  }

  /** Brings back what was put aside. */
  async wake(rows = this.target): Promise<void> {
    const mails = await this.#whole(rows);
    this.#leave(rows);
    const got = await this.try(() => this.client.call('Email/snooze', { ids: mails.map((m) => m.id), until: null }));
    if (got) this.say({ text: laterCount('back', rows.length) });
    await this.refresh();
  }

  /** Mutes conversations, or hears them again. The server keeps what comes later quiet. */
  async mute(rows = this.target): Promise<void> {
    const mails = await this.#whole(rows);
    if (mails.length === 0) return;
    const on = rows.some((id) => !this.rows.get(id)?.keywords.$muted);
    const set = (v: true | null) => this.try(() => this.client.call('Email/set', { update: Object.fromEntries(mails.map((m) => [m.id, { 'keywords/$muted': v }])) }));
    if (on && this.current?.role === 'inbox') this.#leave(rows);
    if (await set(on || null) && on) this.say({ text: laterCount('muted', rows.length), undo: async () => { await set(null); await this.refresh(); } });
    await this.refresh();
  }

  async toggle(keyword: string, rows = this.target): Promise<void> {
    const on = rows.some((id) => !this.rows.get(id)?.keywords[keyword]);
    await this.patch(rows, { [`keywords/${keyword}`]: on ? true : null });
  }
}

/** A mailbox as people call it. */
export function nameOf(m: Mailbox): string {
  const known: Record<string, string> = { inbox: t('inbox'), drafts: t('drafts'), sent: t('sent'), archive: t('archive'), junk: t('junk'), trash: t('trash'), snoozed: later('later') };
  return (m.role && known[m.role]) || m.name;
}

export const box = new Box();
