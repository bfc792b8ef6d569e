// The letters that are being written, and how one is begun.
import { lang, t } from '../i18n';
import type { Id } from '../jmap/client';
import type { Email } from '../jmap/types';
import { begin, sameAs } from '../compose/begin';
import { identities } from '../compose/identities.svelte';
import { drafts, Sheet } from '../compose/sheet.svelte';
import { box } from './box.svelte';
import { full } from './people';

export { Sheet };

const again = (prefix: string, subject: string) => (new RegExp(`^(${prefix}|re|tr|fwd?)\\s*:`, 'i').test(subject) ? subject : `${prefix} : ${subject}`.replace(' :', lang === 'fr' ? ' :' : ':'));
const line = (l: Email['to']) => (l ?? []).map(full).join(', ');

class Sheets {
  all = $state<Sheet[]>([]);

  #add(s: Sheet): Sheet {
    s.gone = () => { this.all = this.all.filter((x) => x !== s); };
    s.reopen = (id) => void this.edit(id);
    this.all = [...this.all, s];
    return s;
  }

  /** Saves all that is being written; what is saved goes from this device. */
  async keepAll(): Promise<void> { await Promise.all(this.all.map((s) => s.save())); }

  write(of: { to?: string; subject?: string; text?: string } = {}): void {
    void identities.load().then(async () => this.#add(new Sheet().fill({ ...of, ...await begin(identities.first, of.text ?? null) })));
  }

  async reply(email: Email, everybody: boolean): Promise<void> {
    await identities.load();
    const me = identities.addressed(email), mine = sameAs(identities.all.map((i) => i.email).concat(box.client.session.username));
    const others = (list: Email['to']) => line((list ?? []).filter((p) => !mine(p)));
    const own = email.from?.some(mine) ?? false;
    this.#add(new Sheet().fill({
      to: own ? others(email.to) : line(email.replyTo ?? email.from) + (everybody && others(email.to) ? ', ' + others(email.to) : ''), cc: everybody ? others(email.cc) : '',
      subject: again('Re', email.subject ?? ''), inReplyTo: email.messageId ?? [], references: [...(email.references ?? []), ...(email.messageId ?? [])].slice(-20), answers: email.id,
      ...await begin(me, null, { email, how: 'reply' }),
    }));
  }

  async forward(email: Email): Promise<void> {
    await identities.load();
    const made = await begin(identities.addressed(email), null, { email, how: 'forward' });
    this.#add(new Sheet().fill({
      subject: again(lang === 'fr' ? 'Tr' : 'Fwd', email.subject ?? ''), ...made,
      files: (email.attachments ?? []).filter((p) => p.blobId && !(p.cid && made.pictures?.[p.cid])).map((p) => ({ name: p.name ?? t('attachment'), type: p.type, size: p.size, blobId: p.blobId })),
    }));
  }

  /** Opens a draft that is at the server. */
  async edit(id: Id): Promise<void> {
    if (this.all.some((s) => s.id === id)) return;
    await identities.load();
    const got = await box.try(() => drafts.load(id));
    if (got) this.#add(new Sheet().fill(got));
  }

  /** What a crash left on this device is opened again. */
  async restore(): Promise<void> {
    for (const k of drafts.here()) {
      await identities.load();
      const s = this.#add(new Sheet(k.key).fill({ ...k, files: k.files.filter((f) => f.blobId) }));
      s.touch();
      s.status = t('restored');
    }
  }
}

export const sheets = new Sheets();
