// What a letter begins with: the signature, and what it answers.
import { longDate, t } from '../i18n';
import type { Id } from '../jmap/client';
import type { Email, Person } from '../jmap/types';
import { box } from '../mail/box.svelte';
import { called, full } from '../mail/people';
import { quote } from '../mail/text';
import type { Identity } from '../me/identity';

/** A picture in the text, by its Content-ID. */
export type Picture = { blobId: Id; type: string; size: number };
export type Begun = { identity: string | null; html: string | null; text: string; pictures?: Record<string, Picture> };

const plainName = 'colporteur:plain';
/** Whether the member writes without formatting, unless they answer a formatted mail. */
export const writesPlain = (): boolean => localStorage.getItem(plainName) === '1';
export const writePlain = (plain: boolean): void => { localStorage.setItem(plainName, plain ? '1' : '0'); };

export const sameAs = (addresses: string[]) => { const set = new Set(addresses.map((a) => a.toLowerCase())); return (p: Person) => set.has(p.email.toLowerCase()); };

const escape = (s: string): string => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

/** A signature as the text of a letter ends with it. */
export const signText = (i: Identity | undefined): string => (i?.textSignature.trim() ? `\n\n-- \n${i.textSignature.trim()}\n` : '');

/** The same in HTML. Pictures become parts of the letter: as data: addresses, large webmails show none. */
export async function signHTML(i: Identity | undefined): Promise<{ html: string; pictures: Record<string, Picture> }> {
  if (!i || !(i.htmlSignature || i.textSignature)) return { html: '', pictures: {} };
  const { clean } = await import('./rich');
  let html = clean(i.htmlSignature || `<div>${escape(i.textSignature.trim()).replace(/\n/g, '<br>')}</div>`);
  const pictures: Record<string, Picture> = {};
  for (const m of [...html.matchAll(/src="data:(image\/\w+);base64,([^"]+)"/g)]) {
    try {
      const raw = Uint8Array.from(atob(m[2]!), (c) => c.charCodeAt(0));
      const up = await box.client.upload(new Blob([raw], { type: m[1]! }));
      const cid = crypto.randomUUID() + '@signature';
      pictures[cid] = { blobId: up.blobId, type: m[1]!, size: raw.length };
      html = html.replace(m[0], `src="cid:${cid}"`);
    } catch { html = html.replace(m[0], 'src=""'); }
  }
  return { html: `<div>-- </div>${html}`, pictures };
}

// The mail's own HTML, harmless; null where it has only text. It is what the reader
// sees, as the server made it, without its styles: how a stranger's words look in a
// member's letter is the member's matter. Pictures are named by their blobs there.
async function bodyOf(id: Id): Promise<{ html: string | null; text: string; pictures: Record<string, Picture> }> {
  const got = await box.client.call('Email/get', { ids: [id], properties: ['htmlBody', 'textBody', 'bodyValues', 'attachments'], fetchTextBodyValues: true, maxBodyValueBytes: 500_000 });
  const m = got.list[0] as Email;
  const value = (p: { partId: string | null }) => (p.partId && m.bodyValues?.[p.partId]?.value) || '';
  const r = await import('./rich');
  const list = (m.attachments ?? []).filter((p) => p.cid && p.blobId && p.type.startsWith('image/'));
  let html: string | null = null;
  if ((m.htmlBody ?? []).some((p) => p.type === 'text/html')) {
    const page = await fetch(`/mail/message/${id}?print`).catch(() => null); // the line may go right here: then the text does
    if (page?.ok) html = r.quoted(await page.text(), (blob) => list.find((p) => p.blobId === blob)?.cid ?? null);
  }
  const texts = (m.textBody ?? []).filter((p) => p.type === 'text/plain');
  return { html, text: texts.length > 0 ? texts.map(value).join('\n') : html ? r.toText(html) : '', pictures: Object.fromEntries(list.map((p) => [p.cid!, { blobId: p.blobId!, type: p.type, size: p.size }])) };
}

/** Makes the beginning of a letter: a new one, an answer, or a mail that is passed on. */
export async function begin(identity: Identity | undefined, text: string | null, of?: { email: Email; how: 'reply' | 'forward' }): Promise<Begun> {
  const id = identity?.id ?? null;
  let about: Awaited<ReturnType<typeof bodyOf>> | null = null;
  if (of) try { about = await bodyOf(of.email.id); } catch { about = { html: null, text: of.email.preview, pictures: {} }; }
  const rich = about ? about.html !== null || !writesPlain() : !writesPlain();
  const e = of?.email;
  const wrote = e ? t('wrote', { date: longDate(e.sentAt ?? e.receivedAt), name: called(e.from?.[0]) }) : '';
  const head = e ? [`---------- ${t('forwarded')} ----------`, `${t('from')} : ${(e.from ?? []).map(full).join(', ')}`, `${t('subject')} : ${e.subject ?? ''}`, `${t('at')} ${longDate(e.sentAt ?? e.receivedAt)}`] : [];
  const plainRest = !of ? '' : of.how === 'reply' ? `\n\n${wrote}\n${quote(about!.text)}\n` : `\n\n${head.join('\n')}\n\n${about!.text}`;
  const plain: Begun = { identity: id, html: null, text: (text ?? '') + signText(identity) + plainRest };
  if (!rich) return plain;
  try {
    const r = await import('./rich');
    const sign = await signHTML(identity);
    let pictures = { ...sign.pictures };
    let rest = '';
    if (of) {
      const body = about!.html ?? r.fromText(about!.text);
      if (of.how === 'reply') rest = `<div><br></div><div>${escape(wrote)}</div><blockquote>${r.kept(body).replace(/<img [^>]*>/g, '')}</blockquote>`;
      else {
        rest = `<div><br></div>${head.map((l) => `<div>${escape(l)}</div>`).join('')}<div><br></div>${body}`;
        const used = r.cids(body);
        pictures = { ...pictures, ...Object.fromEntries(Object.entries(about!.pictures).filter(([cid]) => used.has(cid))) };
      }
    }
    const html = (text ? r.fromText(text) : '<div><br></div>') + (sign.html ? '<div><br></div>' + sign.html : '') + rest;
    return { identity: id, html, text: r.toText(html), pictures };
  } catch { return plain; } // without a line, before the editor was ever here
}
