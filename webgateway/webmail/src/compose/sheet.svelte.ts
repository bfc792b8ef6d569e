// A letter that is being written. What is typed is kept on this device at once,
// and at the server at every pause; it goes from the device when the server has it.
import { clock, t, words } from '../i18n';
import { MethodError, Offline, type Args, type Id } from '../jmap/client';
import type { Email } from '../jmap/types';
import { box } from '../mail/box.svelte';
import { said } from '../mail/later';
import { full, parse } from '../mail/people';
import { signHTML, signText, type Picture } from './begin';
import type { Linked } from './heavy';
import { identities } from './identities.svelte';
import { t as own } from './words';

export type File = { name: string; type: string; size: number; blobId: Id | null; part?: number; failed?: boolean | string; body?: globalThis.File; link?: Linked };

export type Kept = {
  key: string; id: Id | null; identity: string | null; to: string; cc: string; bcc: string; subject: string; html: string | null; text: string; files: File[]; pictures: Record<string, Picture>;
  inReplyTo: string[]; references: string[]; answers: Id | null; at: number;
};

const store = (key: string) => `colporteur:draft:${box.client.session.username}:${key}`;
const pause = 1500; // milliseconds without a key

export class Sheet {
  to = $state('');
  cc = $state('');
  bcc = $state('');
  subject = $state('');
  html = $state<string | null>(null); // null: it is written as plain text
  text = $state('');
  files = $state<File[]>([]);
  identity = $state<string | null>(null);
  more = $state(false); // Cc and Bcc are shown
  status = $state('');
  problem = $state('');
  asking = $state(false); // whether a forgotten attachment is meant
  busy = $state(false);
  remind = $state(0); // days after which it comes back unless somebody answered; 0: never
  id: Id | null = null; // of the draft at the server
  pictures: Record<string, Picture> = {};
  inReplyTo: string[] = [];
  references: string[] = [];
  answers: Id | null = null; // the email that this one answers
  gone: () => void = () => {}; // takes it off the screen
  reopen: (id: Id) => void = () => {};
  refill: () => void = () => {}; // the editor shows html again
  editor: { root: HTMLElement; changed: () => void } | null = null; // what html is written with
  readonly key: string;
  #shown: Record<string, string> = {}; // addresses of pictures that are on this device
  #held = new Map<string, Promise<Blob | null>>(); // pictures, should their draft go
  #wanted: { until: Date | null } = { until: null };
  #timer = 0;
  #saving: Promise<void> = Promise.resolve();
  #changed = 0;
  #saved = 0;
  #uploads = new Set<Promise<void>>();
  #stops = new Map<globalThis.File, () => void>(); // of those that go up piece by piece
  #over = false; // sent or thrown away: nothing of it is kept any more

  constructor(key: string = crypto.randomUUID()) { this.key = key; }

  get empty(): boolean {
    const words = this.html === null ? this.text.trim() : this.text.replace(/^-- [\s\S]*$/m, '').trim();
    return !this.to && !this.cc && !this.bcc && !this.subject && !words && this.files.length === 0;
  }

  #kept(): Kept {
    return {
      key: this.key, id: this.id, identity: this.identity, to: this.to, cc: this.cc, bcc: this.bcc, subject: this.subject, html: this.html, text: this.text,
      files: $state.snapshot(this.files).map(({ body: _, ...f }) => f), pictures: this.pictures, inReplyTo: this.inReplyTo, references: this.references, answers: this.answers, at: Date.now(),
    };
  }

  /** Called at every change. */
  touch(): void {
    if (this.#over) return;
    this.#changed++;
    this.problem = '';
    try { localStorage.setItem(store(this.key), JSON.stringify(this.#kept())); } catch { /* full: the server has it soon */ }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), pause) as unknown as number;
  }

  /** The letter as a JMAP Email. */
  async #email(): Promise<Args> {
    const list = (s: string) => { const p = parse(s).people; return p.length > 0 ? p : null; };
    const me = identities.all.find((i) => i.id === this.identity) ?? identities.first;
    const files: Args[] = this.files.filter((f) => f.blobId).map((f) => ({ blobId: f.blobId, name: f.name, type: f.type || 'application/octet-stream', disposition: 'attachment' }));
    const values: Args = { t: { value: this.text } };
    if (this.html !== null) {
      const { cids, page } = await import('./rich');
      values.h = { value: page(this.html) };
      for (const cid of cids(this.html)) {
        const p = this.pictures[cid];
        if (p) files.push({ blobId: p.blobId, type: p.type, name: `image.${p.type.split('/')[1]}`, cid, disposition: 'inline' });
      }
    }
    return {
      mailboxIds: { [box.role('drafts')!.id]: true }, keywords: { $draft: true, $seen: true },
      from: [{ name: me?.name || null, email: me?.email ?? box.client.session.username }], ...(me?.replyTo ? { replyTo: me.replyTo } : {}),
      to: list(this.to), cc: list(this.cc), bcc: list(this.bcc), subject: this.subject,
      ...(this.inReplyTo.length > 0 ? { inReplyTo: this.inReplyTo, references: this.references } : {}),
      textBody: [{ partId: 't', type: 'text/plain' }], ...(this.html !== null ? { htmlBody: [{ partId: 'h', type: 'text/html' }] } : {}), bodyValues: values, attachments: files,
    };
  }

  /** Keeps it at the server: a new draft, and the one before goes, in one call. One at a time. */
  save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#saving = this.#saving.then(async () => {
      if (this.#over || this.#saved === this.#changed || this.empty) return;
      const version = this.#changed;
      this.status = t('saving');
      try {
        const keep = async () => box.client.calls(['Email/set', { create: { d: await this.#email() }, ...(this.id ? { destroy: [this.id] } : {}) }]);
        let [got] = await keep();
        if (got.notCreated?.d?.type === 'blobNotFound') {
          await this.#rescue();
          [got] = await keep();
        }
        const made = got.created?.d?.id as Id | undefined;
        if (!made) throw new MethodError(got.notCreated?.d?.type ?? '', got.notCreated?.d?.description ?? '');
        // The draft of before is not there: somebody went on with it elsewhere, and
        // what they made of it stays beside ours.
        const two = this.id !== null && !!got.notDestroyed?.[this.id];
        this.id = made;
        await this.#own(made);
        this.#saved = version;
        this.status = two ? own('two') : t('saved', { time: clock(new Date()) });
        if (this.#changed === version) localStorage.removeItem(store(this.key));
        else localStorage.setItem(store(this.key), JSON.stringify(this.#kept()));
      } catch (e) {
        this.status = t('unsaved');
        if (e instanceof Offline) { box.online = false; this.#timer = setTimeout(() => void this.save(), 5000) as unknown as number; } else this.problem = t('failed', { why: e instanceof Error ? e.message : '' });
      }
    });
    return this.#saving;
  }

  // Files and pictures of a draft are parts of it, and go with it when the next
  // version takes its place: from then on they are that one's parts.
  async #own(id: Id): Promise<void> {
    if (this.files.length === 0 && Object.keys(this.pictures).length === 0) return;
    const got = await box.client.call('Email/get', { ids: [id], properties: ['attachments'] });
    const parts = ((got.list[0] as Email | undefined)?.attachments ?? []).slice();
    for (const p of parts) if (p.cid && p.blobId && this.pictures[p.cid]) this.pictures[p.cid] = { ...this.pictures[p.cid]!, blobId: p.blobId };
    const files = parts.filter((p) => !p.cid);
    for (const f of this.files) {
      const at = f.blobId ? files.findIndex((p) => p.name === f.name) : -1;
      if (at >= 0) f.blobId = files.splice(at, 1)[0]!.blobId;
    }
  }

  // The draft that had them is gone, as when another window went on with it: its
  // pictures are sent up again, its files have to be chosen again.
  async #rescue(): Promise<void> {
    for (const [cid, p] of Object.entries(this.pictures)) {
      const held = await this.#held.get(cid);
      const blobId = held ? (await box.client.upload(held)).blobId : null;
      if (blobId) this.pictures[cid] = { ...p, blobId };
      else { delete this.pictures[cid]; this.html = this.html?.replace(new RegExp(`<img [^>]*src="cid:${cid}"[^>]*>`, 'g'), '') ?? null; }
    }
    for (const f of this.files) if (f.blobId?.startsWith('M')) { f.blobId = null; f.failed = true; }
  }

  // Files and pictures.

  async attach(list: Iterable<globalThis.File>): Promise<void> {
    const all = [...list].map((body) => {
      const at = this.files.push({ name: body.name, type: body.type, size: body.size, blobId: null, part: 0, body }) - 1;
      return this.#up(this.files[at]!);
    });
    await Promise.all(all);
  }

  again(f: File): void { f.failed = false; void this.#up(f); }

  /** Takes a file off the letter; its link is taken back. */
  remove(i: number): void {
    const [f] = this.files.splice(i, 1);
    if (f?.body) this.#stops.get(f.body)?.();
    if (f?.link) { const l = f.link; void import('./heavy').then((h) => { this.#write((root) => h.dropHTML(root, l.url), (text) => h.dropText(text, l.url)); void h.recall(l); }); }
    this.touch();
  }

  /** Has the link of a file end another day. */
  async lives(f: File, days: number): Promise<void> {
    const h = await import('./heavy'), now = await box.try(() => h.live(f.link!, days));
    if (!now) return;
    f.link = now;
    this.#write((root) => h.putHTML(root, f.name, f.size, now), (text) => h.putText(text, f.name, f.size, now));
  }

  // More than one mail may carry goes as a link.
  #tooHeavy(f: File): boolean {
    if (!box.client.has('urn:colporteur:params:jmap:sharing')) return false;
    const others = this.files.reduce((n, o) => n + (o === f || o.link || o.part === undefined && !o.blobId ? 0 : o.size), 0);
    return others + f.size > (box.client.limits.maxSizeAttachmentsPerEmail as number | undefined ?? Infinity);
  }

  #up(f: File): Promise<void> {
    const body = f.body!;
    const one = (async () => {
      try {
        if (this.#tooHeavy(f)) {
          const h = await import('./heavy');
          const l = await h.link(body, (part) => { f.part = part; }, (stop) => { this.#stops.set(body, stop); });
          if (this.#over || !this.files.includes(f)) { void h.recall(l); return; }
          f.link = l;
          this.#write((root) => h.putHTML(root, f.name, f.size, l), (text) => h.putText(text, f.name, f.size, l));
        } else f.blobId = (await box.client.upload(body, (part) => { f.part = part; })).blobId;
        delete f.body;
        this.touch();
      } catch (e) { f.failed = (e instanceof MethodError && e.message) || true; }
    })();
    this.#uploads.add(one);
    return one.finally(() => { this.#uploads.delete(one); this.#stops.delete(body); });
  }

  // Changes what is written, where it is shown if it is.
  #write(html: (root: Element) => void, text: (text: string) => string): void {
    if (this.html === null) this.text = text(this.text);
    else if (this.editor) { html(this.editor.root); this.editor.changed(); return; }
    else {
      const doc = new DOMParser().parseFromString(this.html, 'text/html');
      html(doc.body);
      this.html = doc.body.innerHTML;
      this.text = text(this.text);
    }
    this.touch();
  }

  /** Takes a picture into the text: no larger than a page is wide. */
  async picture(file: globalThis.File): Promise<{ cid: string; src: string } | null> {
    const small = await fit(file);
    if (!small) { void this.attach([file]); return null; }
    try {
      const up = await box.client.upload(small), cid = crypto.randomUUID() + '@picture', src = URL.createObjectURL(small);
      this.pictures = { ...this.pictures, [cid]: { blobId: up.blobId, type: small.type, size: small.size } };
      this.#shown[cid] = src;
      return { cid, src };
    } catch { this.problem = t('notUploaded', { name: file.name }); return null; }
  }

  /** Where a picture of the text is had. */
  pictureAt(cid: string): string | undefined {
    const p = this.pictures[cid];
    return this.#shown[cid] ?? (p ? box.client.blob(p.blobId, 'image', p.type) : undefined);
  }

  /** Whether the words speak of a file that is not there. */
  get forgotten(): boolean {
    if (this.files.length > 0) return false;
    const said = (this.subject + '\n' + this.text.split(/\n(?=>|-- \n|---------- )/)[0]!).toLowerCase();
    return words.words.some((w) => said.includes(w));
  }

  // From whom, and how.

  /** Writes as another: the signature goes with the address. */
  async as(id: string): Promise<void> {
    const was = identities.all.find((i) => i.id === this.identity), now = identities.all.find((i) => i.id === id);
    this.identity = id;
    if (this.html !== null) {
      const { kept } = await import('./rich');
      const [before, after] = [await signHTML(was), await signHTML(now)];
      this.pictures = { ...this.pictures, ...after.pictures };
      // Pictures have another Content-ID each time: what is compared has none.
      const bare = (s: string) => s.replace(/src="cid:[^"]*"/g, 'src=""');
      const at = before.html ? bare(this.html).indexOf(bare(kept(before.html))) : -1;
      if (at >= 0) {
        const pattern = kept(before.html).replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/src="cid:[^"]*"/g, 'src="cid:[^"]*"');
        this.html = this.html.replace(new RegExp(pattern), () => after.html);
      } else if (after.html) this.html = `${this.html}<div><br></div>${after.html}`;
      this.refill();
    } else {
      const before = signText(was), after = signText(now);
      this.text = before && this.text.includes(before) ? this.text.replace(before, () => after) : this.text + after;
    }
    this.touch();
  }

  /** Turns formatting off or on again. */
  async plain(): Promise<void> {
    if (this.html !== null) { this.html = null; this.touch(); return; }
    const { fromText } = await import('./rich');
    this.html = fromText(this.text);
    this.touch();
  }

  // Leaving.

  /** Sends it, in ten seconds or at an hour; sure: no file is missing. */
  async send(sure = false, until: Date | null = null): Promise<void> {
    if (!sure) this.#wanted = { until };
    until = this.#wanted.until;
    this.problem = '';
    const all = [this.to, this.cc, this.bcc].map(parse);
    const bad = all.flatMap((p) => p.bad)[0];
    if (bad) { this.problem = t('badAddress', { address: bad }); return; }
    if (all.every((p) => p.people.length === 0)) { this.problem = t('noRecipient'); return; }
    if (!sure && this.forgotten) { this.asking = true; return; }
    this.asking = false;
    this.busy = true;
    await Promise.all(this.#uploads); // no file that is shown is left behind
    const missing = this.files.find((f) => !f.blobId && !f.link);
    if (missing) { this.problem = t('notUploaded', { name: missing.name }); this.busy = false; return; }
    this.#changed++; // what is sent is what is here
    await this.save();
    if (this.#saved !== this.#changed || !this.id) { this.busy = false; return; }
    try {
      await identities.load();
      const me = identities.all.find((i) => i.id === this.identity) ?? identities.first!;
      const sent = box.role('sent'), drafts = box.role('drafts')!;
      const to = [...all.flatMap((p) => p.people), ...(me.bcc ?? [])].map((p) => p.email);
      const hold = until ? { HOLDUNTIL: until.toISOString().slice(0, 19) + 'Z' } : { HOLDFOR: '10' }; // seconds in which it can be taken back
      const got = await box.client.calls(['EmailSubmission/set', {
        create: { s: { emailId: this.id, identityId: me.id, envelope: { mailFrom: { email: me.email, parameters: hold }, rcptTo: [...new Set(to)].map((email) => ({ email, parameters: null })) } } },
        onSuccessUpdateEmail: { '#s': { 'keywords/$draft': null, [`mailboxIds/${drafts.id}`]: null, ...(sent ? { [`mailboxIds/${sent.id}`]: true } : {}) } },
      }]);
      const refused = got[0].notCreated?.s;
      if (refused) { this.problem = t('failed', { why: refused.description || refused.type }); this.busy = false; return; }
      this.#left();
      if (this.answers) void box.patch([this.answers], { 'keywords/$answered': true });
      const submission = got[0].created.s.id as Id, email = this.id;
      const hour = this.remind > 0 ? new Date((until ?? new Date()).getTime() + this.remind * 86_400_000) : null;
      if (hour) await box.try(() => box.client.call('Email/snooze', { ids: [email], until: hour.toISOString().slice(0, 19) + 'Z', unlessAnswered: true }));
      box.say({ text: until ? own('laterSay', { when: said(until) }) : t('sendingIn'), undo: async () => { if (await takeBack(submission, email)) this.reopen(email); } });
      void box.refresh();
    } catch (e) {
      this.problem = t('failed', { why: e instanceof Error ? e.message || t('offline') : '' });
      this.busy = false;
    }
  }

  #left(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    localStorage.removeItem(store(this.key));
    for (const src of Object.values(this.#shown)) URL.revokeObjectURL(src);
    this.gone();
  }

  async close(): Promise<void> {
    if (!this.empty) await this.save();
    this.gone();
    void box.refresh();
  }

  async discard(): Promise<void> {
    clearTimeout(this.#timer);
    this.#over = true;
    await this.#saving;
    if (this.id) await box.try(() => box.client.call('Email/set', { destroy: [this.id] }));
    for (const stop of this.#stops.values()) stop();
    const linked = this.files.flatMap((f) => f.link ?? []);
    if (linked.length > 0) { const h = await import('./heavy'); await Promise.all(linked.map(h.recall)); }
    this.#left();
    box.say({ text: t('discarded') });
    void box.refresh();
  }

  fill(k: Partial<Kept>): this {
    Object.assign(this, { to: k.to ?? '', cc: k.cc ?? '', bcc: k.bcc ?? '', subject: k.subject ?? '', html: k.html ?? null, text: k.text ?? '', files: k.files ?? [], identity: k.identity ?? identities.first?.id ?? null });
    this.id = k.id ?? null;
    this.pictures = k.pictures ?? {};
    for (const [cid, p] of Object.entries(this.pictures)) this.#held.set(cid, fetch(box.client.blob(p.blobId, 'image', p.type)).then((r) => (r.ok ? r.blob() : null), () => null));
    this.inReplyTo = k.inReplyTo ?? [];
    this.references = k.references ?? [];
    this.answers = k.answers ?? null;
    this.more = !!(k.cc || k.bcc);
    return this;
  }
}

/** Takes back what has not left; the mail is a draft again. */
export async function takeBack(submission: Id, email: Id): Promise<boolean> {
  if (box.client.has('urn:colporteur:params:jmap:mail')) void box.client.call('Email/snooze', { ids: [email], until: null }).catch(() => {}); // a draft needs no answer
  const back = await box.try(() => box.client.calls(['EmailSubmission/set', { update: { [submission]: { undoStatus: 'canceled' } } }]));
  if (!back || back[0].notUpdated?.[submission]) { box.say({ text: t('sentIt') }); return false; }
  await box.try(() => box.client.call('Email/set', { update: { [email]: { 'keywords/$draft': true, mailboxIds: { [box.role('drafts')!.id]: true } } } }));
  return true;
}

const widest = 1600; // pixels: more than any mail is read at

// A picture as it stands in a text; null for what a browser does not draw.
async function fit(file: globalThis.File): Promise<Blob | null> {
  if (!/^image\/(png|jpeg|gif|webp)$/.test(file.type)) return null;
  let image: ImageBitmap;
  try { image = await createImageBitmap(file); } catch { return null; }
  const scale = Math.min(1, widest / Math.max(image.width, image.height));
  if (file.type === 'image/gif' || (scale === 1 && file.size < 1_000_000)) return file;
  const canvas = new OffscreenCanvas(Math.round(image.width * scale), Math.round(image.height * scale));
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: file.type === 'image/png' ? 'image/png' : 'image/jpeg', quality: 0.85 });
}

/** Drafts, at the server and on this device. */
export const drafts = {
  /** A draft, or a template, as it was written. */
  async load(id: Id): Promise<Partial<Kept> | undefined> {
    const got = await box.client.call('Email/get', { ids: [id], properties: ['from', 'to', 'cc', 'bcc', 'subject', 'inReplyTo', 'references', 'textBody', 'htmlBody', 'bodyValues', 'attachments'], fetchTextBodyValues: true, fetchHTMLBodyValues: true });
    const m = got.list[0] as Email | undefined;
    if (!m) return undefined;
    const list = (l: Email['to']) => (l ?? []).map(full).join(', ');
    const values = (parts: Email['textBody'], type: string) => (parts ?? []).filter((p) => p.type === type).map((p) => (p.partId && m.bodyValues?.[p.partId]?.value) || '').join('\n');
    const pages = values(m.htmlBody, 'text/html');
    const { clean, cids, toText } = pages ? await import('./rich') : { clean: null, cids: null, toText: null };
    const html = clean ? clean(pages) : null, used = cids && html ? cids(html) : new Set<string>();
    const shown = (p: NonNullable<Email['attachments']>[number]) => !!p.cid && used.has(p.cid);
    return {
      id, identity: identities.all.find((i) => i.email.toLowerCase() === m.from?.[0]?.email.toLowerCase())?.id ?? null, to: list(m.to), cc: list(m.cc), bcc: list(m.bcc), subject: m.subject ?? '',
      html, text: values(m.textBody, 'text/plain') || (html && toText ? toText(html) : ''), inReplyTo: m.inReplyTo ?? [], references: m.references ?? [],
      files: (m.attachments ?? []).filter((p) => p.blobId && !shown(p)).map((p) => ({ name: p.name ?? t('attachment'), type: p.type, size: p.size, blobId: p.blobId })),
      pictures: Object.fromEntries((m.attachments ?? []).filter((p) => p.blobId && shown(p)).map((p) => [p.cid!, { blobId: p.blobId!, type: p.type, size: p.size }])),
    };
  },

  /** What is on this device and not yet at the server. */
  here(): Kept[] {
    const mine = store(''), list: Kept[] = [];
    for (let i = localStorage.length - 1; i >= 0; i--) {
      const name = localStorage.key(i);
      if (!name?.startsWith(mine)) continue;
      try { list.push({ pictures: {}, html: null, identity: null, ...JSON.parse(localStorage.getItem(name)!) }); } catch { localStorage.removeItem(name); }
    }
    return list;
  },
};
