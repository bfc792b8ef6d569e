// Letters that are being written. What is typed is kept on this device at once,
// and at the server at every pause; it goes from the device when the server has it.
import { clock, lang, longDate, t, words } from '../i18n';
import { MethodError, Offline, type Args, type Id } from '../jmap/client';
import type { Email } from '../jmap/types';
import { box } from './box.svelte';
import { called, full, parse } from './people';
import { quote } from './text';

export type File = { name: string; type: string; size: number; blobId: Id | null; failed?: boolean };

type Kept = { key: string; id: Id | null; to: string; cc: string; bcc: string; subject: string; text: string; files: File[]; inReplyTo: string[]; references: string[]; answers: Id | null; at: number };

const store = (key: string) => `colporteur:draft:${box.client.session.username}:${key}`;
const pause = 1500; // milliseconds without a key

export class Sheet {
  to = $state('');
  cc = $state('');
  bcc = $state('');
  subject = $state('');
  text = $state('');
  files = $state<File[]>([]);
  more = $state(false); // Cc and Bcc are shown
  status = $state('');
  problem = $state('');
  asking = $state(false); // whether a forgotten attachment is meant
  busy = $state(false);
  id: Id | null = null; // of the draft at the server
  inReplyTo: string[] = [];
  references: string[] = [];
  answers: Id | null = null; // the email that this one answers
  readonly key: string;
  #timer = 0;
  #saving: Promise<void> = Promise.resolve();
  #changed = 0;
  #saved = 0;
  #uploads = new Set<Promise<void>>();
  #over = false; // sent or thrown away: nothing of it is kept any more

  constructor(key: string = crypto.randomUUID()) { this.key = key; }

  get empty(): boolean { return !this.to && !this.cc && !this.bcc && !this.subject && !this.text.trim() && this.files.length === 0; }

  #kept(): Kept {
    return { key: this.key, id: this.id, to: this.to, cc: this.cc, bcc: this.bcc, subject: this.subject, text: this.text, files: $state.snapshot(this.files), inReplyTo: this.inReplyTo, references: this.references, answers: this.answers, at: Date.now() };
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
  #email(): Args {
    const list = (s: string) => { const p = parse(s).people; return p.length > 0 ? p : null; };
    return {
      mailboxIds: { [box.role('drafts')!.id]: true }, keywords: { $draft: true, $seen: true },
      from: [{ name: null, email: box.client.session.username }], to: list(this.to), cc: list(this.cc), bcc: list(this.bcc), subject: this.subject,
      ...(this.inReplyTo.length > 0 ? { inReplyTo: this.inReplyTo, references: this.references } : {}),
      textBody: [{ partId: 't', type: 'text/plain' }], bodyValues: { t: { value: this.text } },
      attachments: this.files.filter((f) => f.blobId).map((f) => ({ blobId: f.blobId, name: f.name, type: f.type || 'application/octet-stream', disposition: 'attachment' })),
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
        const [got] = await box.client.calls(['Email/set', { create: { d: this.#email() }, ...(this.id ? { destroy: [this.id] } : {}) }]);
        const made = got.created?.d?.id as Id | undefined;
        if (!made) throw new MethodError(got.notCreated?.d?.type ?? '', got.notCreated?.d?.description ?? '');
        this.id = made;
        this.#saved = version;
        this.status = t('saved', { time: clock(new Date()) });
        if (this.#changed === version) localStorage.removeItem(store(this.key));
        else localStorage.setItem(store(this.key), JSON.stringify(this.#kept()));
      } catch (e) {
        this.status = t('unsaved');
        if (e instanceof Offline) { box.online = false; this.#timer = setTimeout(() => void this.save(), 5000) as unknown as number; } else this.problem = t('failed', { why: e instanceof Error ? e.message : '' });
      }
    });
    return this.#saving;
  }

  async attach(list: Iterable<globalThis.File>): Promise<void> {
    const all = [...list].map(async (f) => {
      const at = this.files.push({ name: f.name, type: f.type, size: f.size, blobId: null }) - 1;
      const file = this.files[at]!;
      try { file.blobId = (await box.client.upload(f)).blobId; this.touch(); } catch { file.failed = true; }
    });
    for (const one of all) {
      this.#uploads.add(one);
      void one.then(() => this.#uploads.delete(one));
    }
    await Promise.all(all);
  }

  /** Whether the words speak of a file that is not there. */
  get forgotten(): boolean {
    if (this.files.length > 0) return false;
    const own = (this.subject + '\n' + this.text.split(/\n(?=>|-- \n)/)[0]!).toLowerCase();
    return words.words.some((w) => own.includes(w));
  }

  async send(sure = false): Promise<void> {
    this.problem = '';
    const all = [this.to, this.cc, this.bcc].map(parse);
    const bad = all.flatMap((p) => p.bad)[0];
    if (bad) { this.problem = t('badAddress', { address: bad }); return; }
    if (all.every((p) => p.people.length === 0)) { this.problem = t('noRecipient'); return; }
    if (!sure && this.forgotten) { this.asking = true; return; }
    this.asking = false;
    this.busy = true;
    await Promise.all(this.#uploads); // no file that is shown is left behind
    const missing = this.files.find((f) => !f.blobId);
    if (missing) { this.problem = t('notUploaded', { name: missing.name }); this.busy = false; return; }
    this.#changed++; // what is sent is what is here
    await this.save();
    if (this.#saved !== this.#changed || !this.id) { this.busy = false; return; }
    try {
      const sent = box.role('sent'), drafts = box.role('drafts')!;
      const ids = await box.client.call('Identity/get', { ids: null });
      const wait = 10; // seconds in which it can be taken back
      const got = await box.client.calls(['EmailSubmission/set', {
        create: { s: { emailId: this.id, identityId: ids.list[0].id, envelope: envelope(ids.list[0].email, all.flatMap((p) => p.people.map((x) => x.email)), wait) } },
        onSuccessUpdateEmail: { '#s': { 'keywords/$draft': null, [`mailboxIds/${drafts.id}`]: null, ...(sent ? { [`mailboxIds/${sent.id}`]: true } : {}) } },
      }]);
      const refused = got[0].notCreated?.s;
      if (refused) { this.problem = t('failed', { why: refused.description || refused.type }); this.busy = false; return; }
      const submission = got[0].created.s.id as Id, email = this.id;
      this.#over = true;
      clearTimeout(this.#timer);
      localStorage.removeItem(store(this.key));
      sheets.drop(this);
      if (this.answers) void box.patch([this.answers], { 'keywords/$answered': true });
      box.say({ text: t('sendingIn'), undo: async () => {
        const back = await box.try(() => box.client.calls(['EmailSubmission/set', { update: { [submission]: { undoStatus: 'canceled' } } }]));
        if (!back || back[0].notUpdated?.[submission]) { box.say({ text: t('sentIt') }); return; }
        await box.try(() => box.client.call('Email/set', { update: { [email]: { 'keywords/$draft': true, mailboxIds: { [drafts.id]: true } } } }));
        void sheets.edit(email);
      } });
      void box.refresh();
    } catch (e) {
      this.problem = t('failed', { why: e instanceof Error ? e.message || t('offline') : '' });
      this.busy = false;
    }
  }

  async close(): Promise<void> {
    if (!this.empty) await this.save();
    sheets.drop(this);
    void box.refresh();
  }

  async discard(): Promise<void> {
    clearTimeout(this.#timer);
    this.#over = true;
    await this.#saving;
    localStorage.removeItem(store(this.key));
    if (this.id) await box.try(() => box.client.call('Email/set', { destroy: [this.id] }));
    sheets.drop(this);
    box.say({ text: t('discarded') });
    void box.refresh();
  }

  fill(k: Partial<Kept>): this {
    Object.assign(this, { to: k.to ?? '', cc: k.cc ?? '', bcc: k.bcc ?? '', subject: k.subject ?? '', text: k.text ?? '', files: k.files ?? [] });
    this.id = k.id ?? null;
    this.inReplyTo = k.inReplyTo ?? [];
    this.references = k.references ?? [];
    this.answers = k.answers ?? null;
    this.more = !!(k.cc || k.bcc);
    return this;
  }
}

const envelope = (from: string, to: string[], wait: number) => ({
  mailFrom: { email: from, parameters: { HOLDFOR: String(wait) } }, rcptTo: [...new Set(to)].map((email) => ({ email, parameters: null })),
});

const again = (prefix: string, subject: string) => (new RegExp(`^(${prefix}|re|tr|fwd?)\\s*:`, 'i').test(subject) ? subject : `${prefix} : ${subject}`.replace(' :', lang === 'fr' ? ' :' : ':'));

class Sheets {
  all = $state<Sheet[]>([]);

  #add(s: Sheet): Sheet { this.all = [...this.all, s]; return s; }
  drop(s: Sheet): void { this.all = this.all.filter((x) => x !== s); }

  /** Saves all that is being written; what is saved goes from this device. */
  async keepAll(): Promise<void> { await Promise.all(this.all.map((s) => s.save())); }

  write(of: { to?: string; subject?: string; text?: string } = {}): void { this.#add(new Sheet().fill(of)); }

  reply(email: Email, everybody: boolean): void {
    const me = box.client.session.username.toLowerCase();
    const others = (list: Email['to']) => (list ?? []).filter((p) => p.email.toLowerCase() !== me).map(full).join(', ');
    const answered = email.replyTo ?? email.from;
    const mine = email.from?.some((p) => p.email.toLowerCase() === me) ?? false;
    this.#add(new Sheet().fill({
      to: mine ? others(email.to) : (answered ?? []).map(full).join(', ') + (everybody && others(email.to) ? ', ' + others(email.to) : ''), cc: everybody ? others(email.cc) : '',
      subject: again('Re', email.subject ?? ''), text: `\n\n${t('wrote', { date: longDate(email.sentAt ?? email.receivedAt), name: called(email.from?.[0]) })}\n${quote(textOf(email))}\n`,
      inReplyTo: email.messageId ?? [], references: [...(email.references ?? []), ...(email.messageId ?? [])].slice(-20), answers: email.id,
    }));
  }

  forward(email: Email): void {
    const head = [`---------- ${t('forwarded')} ----------`, `${t('from')} : ${(email.from ?? []).map(full).join(', ')}`, `${t('subject')} : ${email.subject ?? ''}`, `${t('at')} ${longDate(email.sentAt ?? email.receivedAt)}`];
    this.#add(new Sheet().fill({
      subject: again(lang === 'fr' ? 'Tr' : 'Fwd', email.subject ?? ''), text: `\n\n${head.join('\n')}\n\n${textOf(email)}`,
      files: (email.attachments ?? []).filter((p) => p.blobId).map((p) => ({ name: p.name ?? 'fichier', type: p.type, size: p.size, blobId: p.blobId })),
    }));
  }

  /** Opens a draft that is at the server. */
  async edit(id: Id): Promise<void> {
    if (this.all.some((s) => s.id === id)) return;
    const got = await box.try(() => box.client.call('Email/get', { ids: [id], properties: ['to', 'cc', 'bcc', 'subject', 'inReplyTo', 'references', 'textBody', 'bodyValues', 'attachments'], fetchTextBodyValues: true }));
    const m = got?.list[0] as Email | undefined;
    if (!m) return;
    const list = (l: Email['to']) => (l ?? []).map(full).join(', ');
    this.#add(new Sheet().fill({
      id, to: list(m.to), cc: list(m.cc), bcc: list(m.bcc), subject: m.subject ?? '', text: textOf(m), inReplyTo: m.inReplyTo ?? [], references: m.references ?? [],
      files: (m.attachments ?? []).filter((p) => p.blobId).map((p) => ({ name: p.name ?? 'fichier', type: p.type, size: p.size, blobId: p.blobId })),
    }));
  }

  /** What a crash left on this device is opened again. */
  async restore(): Promise<void> {
    const mine = store('');
    for (let i = localStorage.length - 1; i >= 0; i--) {
      const name = localStorage.key(i);
      if (!name?.startsWith(mine)) continue;
      try {
        const k = JSON.parse(localStorage.getItem(name)!) as Kept;
        const s = this.#add(new Sheet(k.key).fill({ ...k, files: k.files.filter((f) => f.blobId) }));
        s.touch();
        s.status = t('restored');
      } catch { localStorage.removeItem(name); }
    }
  }
}

const textOf = (m: Email): string => (m.textBody ?? []).map((p) => {
  const s = (p.partId && m.bodyValues?.[p.partId]?.value) || '';
  return p.type === 'text/html' ? plain(s) : s;
}).join('\n');

// The words of a mail that has only HTML: parsed in a document that loads and runs nothing.
function plain(html: string): string {
  const doc = new DOMParser().parseFromString(html, 'text/html');
  doc.querySelectorAll('script, style, head').forEach((e) => e.remove());
  doc.querySelectorAll('br, p, div, tr, li, h1, h2, h3').forEach((e) => e.append('\n'));
  return (doc.body.textContent ?? '').replace(/[ \t]+/g, ' ').replace(/\n\s*\n\s*\n+/g, '\n\n').trim();
}

export const sheets = new Sheets();
