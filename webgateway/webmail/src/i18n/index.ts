import { en } from './en';
import { fr, type Catalog } from './fr';

/** The member's language, which the server wrote into the page. */
export const lang = document.documentElement.lang === 'en' ? 'en' : 'fr';
export const words: Catalog = lang === 'en' ? en : fr;

type Plain = { [K in keyof Catalog]: Catalog[K] extends string ? K : never }[keyof Catalog];
type Counted = 'unread' | 'mails' | 'archived' | 'deleted' | 'moved' | 'destroyed' | 'selected' | 'attachments';

const fill = (s: string, args: Record<string, string | number>) => s.replace(/\{(\w+)\}/g, (_, k: string) => String(args[k] ?? ''));
const plurals = new Intl.PluralRules(lang);
const numbers = new Intl.NumberFormat(lang);

export const t = (id: Plain, args: Record<string, string | number> = {}): string => fill(words[id] as string, args);

/** A sentence about n things; French counts 0 and 1 as one. */
export const count = (id: Counted, n: number, args: Record<string, string | number> = {}): string =>
  fill((words[id] as string[])[plurals.select(n) === 'one' ? 0 : 1]!, { n: numbers.format(n), ...args });

/** The words of an area of its own, which may be loaded when it is opened. */
export function speak<C extends Record<string, string | [one: string, many: string]>>(all: { fr: C; en: { [K in keyof C]: C[K] extends string ? string : [one: string, many: string] } }) {
  const own = all[lang] as Record<string, string | [string, string]>;
  return {
    t: (id: { [K in keyof C]: C[K] extends string ? K : never }[keyof C], args: Record<string, string | number> = {}): string => fill(own[id as string] as string, args),
    count: (id: { [K in keyof C]: C[K] extends string ? never : K }[keyof C], n: number, args: Record<string, string | number> = {}): string =>
      fill(own[id as string]![plurals.select(n) === 'one' ? 0 : 1]!, { n: numbers.format(n), ...args }),
  };
}

export const number = (n: number) => numbers.format(n);

const time = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(lang, { weekday: 'short', hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short' });
const old = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short', year: 'numeric' });
const long = new Intl.DateTimeFormat(lang, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit' });

/** A date as short as it can be told. */
export function shortDate(iso: string, now = new Date()): string {
  const d = new Date(iso);
  if (d.toDateString() === now.toDateString()) return time.format(d);
  if (now.getTime() - d.getTime() < 6 * 86_400_000 && d < now) return weekday.format(d);
  return (d.getFullYear() === now.getFullYear() ? day : old).format(d);
}
export const longDate = (iso: string): string => long.format(new Date(iso));
export const clock = (d: Date): string => time.format(d);

export function size(n: number): string {
  const units = lang === 'fr' ? ['octets', 'ko', 'Mo', 'Go'] : ['bytes', 'kB', 'MB', 'GB'];
  let i = 0;
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits: i > 1 && n < 10 ? 1 : 0 }).format(n)}\u00a0${units[i]}`;
}
