// Files that are too large for a mail: they go up piece by piece, on after a broken
// line, and become a link that stands in the letter, as its readers will see it.
import { DetailedError, Upload } from 'tus-js-client';
import { longDate, size } from '../i18n';
import { here, MethodError, type Id } from '../jmap/client';
import { box } from '../mail/box.svelte';
import type { Transfer } from '../share/api';
import { t } from './words';

export type Linked = { id: Id; url: string; until: string };

/** How long a link may live, in days. */
export const lives = [7, 30, 90];

/** Sends a file up; far hears which part of it has left. The promise is the link. */
export async function link(file: File, far: (part: number) => void, stop: (f: () => void) => void): Promise<Linked> {
  const { url, maxSize } = await box.client.call('Transfer/uploadTo', {});
  if (file.size > maxSize) throw new MethodError('tooLarge', t('tooBig', { size: size(maxSize) }));
  const address = await new Promise<string>((yes, no) => {
    const up = new Upload(file, {
      endpoint: here(url), metadata: { filename: file.name, filetype: file.type }, removeFingerprintOnSuccess: true,
      retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000, 30_000, 60_000, 60_000, 60_000],
      onShouldRetry: (e) => { const code = e.originalResponse?.getStatus() ?? 0; return code === 0 || (code >= 500 && code !== 507) || code === 409 || code === 423 || code === 429; },
      onProgress: (sent, all) => far(all ? sent / all : 0),
      onError: (e) => no(new Error(e instanceof DetailedError ? e.originalResponse?.getBody() || '' : '')),
      onSuccess: () => yes(up.url!),
    });
    stop(() => { void up.abort(true).catch(() => {}); no(new Error('')); });
    void up.findPreviousUploads().then((before) => { if (before[0]) up.resumeFromPreviousUpload(before[0]); up.start(); });
  });
  const got = await box.client.calls(['Transfer/set', { create: { n: { title: file.name, quiet: true, files: [{ upload: address }] } } }, 's'],
    ['Transfer/get', { ids: ['#n'], properties: ['url', 'expiresAt'] }, 'g']);
  const o = got[1].list[0] as Transfer | undefined;
  if (!o?.url) { const why = got[0].notCreated?.n; throw new MethodError(why?.type ?? '', why?.description ?? ''); }
  return { id: o.id, url: o.url, until: o.expiresAt };
}

/** Has a link end another day. */
export async function live(l: Linked, days: number): Promise<Linked> {
  const until = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19) + 'Z';
  const got = await box.client.call('Transfer/set', { update: { [l.id]: { expiresAt: until } } });
  if (got.notUpdated?.[l.id]) throw new MethodError(got.notUpdated[l.id].type, got.notUpdated[l.id].description ?? '');
  return { ...l, until };
}

/** Takes a link back. */
export const recall = (l: Linked): Promise<unknown> => box.try(() => box.client.call('Transfer/set', { update: { [l.id]: { recalled: true } } }));

// How it reads in the letter: one block of two lines.
const first = (name: string, n: number) => `${name} (${size(n)})${t('colon')} `;
const second = (l: Linked) => t('takeUntil', { date: longDate(l.until) });

/** Puts the block of a link behind what was written, before signature and quotation; another of the same link goes. */
export function putHTML(root: Element, name: string, n: number, l: Linked): void {
  dropHTML(root, l.url);
  const doc = root.ownerDocument, div = doc.createElement('div'), a = doc.createElement('a');
  a.href = a.textContent = l.url;
  div.append(first(name, n), a, doc.createElement('br'), second(l));
  const all = [...root.children];
  let before = all.findIndex((e) => /^--\s?$/.test(e.textContent ?? '') || /^-{8,} /.test(e.textContent ?? '') || e.tagName === 'BLOCKQUOTE');
  if (before >= 0 && all[before]!.tagName === 'BLOCKQUOTE' && before > 0) before--; // who wrote it, and when
  root.insertBefore(div, all[before] ?? null);
}

export function dropHTML(root: Element, url: string): void {
  for (const a of root.querySelectorAll('a')) if (a.getAttribute('href') === url) (a.closest('div') === root ? a : a.closest('div') ?? a).remove();
}

/** The same in a plain text. */
export function putText(text: string, name: string, n: number, l: Linked): string {
  const rest = dropText(text, l.url), at = rest.search(/\n*(\n-- \n|\n[^\n]*\n> |\n-{8,} )/);
  const head = at >= 0 ? rest.slice(0, at) : rest.trimEnd(), tail = at >= 0 ? rest.slice(at) : '';
  return `${head}${head ? '\n\n' : ''}${first(name, n)}${l.url}\n${second(l)}\n${tail}`;
}

export function dropText(text: string, url: string): string {
  const lines = text.split('\n'), at = lines.findIndex((l) => l.includes(url));
  if (at >= 0) lines.splice(at, 2);
  return lines.join('\n');
}
