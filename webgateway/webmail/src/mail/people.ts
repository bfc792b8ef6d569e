import type { Person } from '../jmap/types';

/** How somebody is called in a list. */
export const called = (p: Person | undefined): string => p?.name?.trim() || p?.email || '';

export const full = (p: Person): string => (p.name ? `${p.name} <${p.email}>` : p.email);

/** Reads what somebody typed as recipients: names with addresses, or addresses alone. */
export function parse(text: string): { people: Person[]; bad: string[] } {
  const people: Person[] = [], bad: string[] = [];
  for (const raw of text.split(/[,;\n](?=(?:[^"]*"[^"]*")*[^"]*$)/)) {
    const one = raw.trim();
    if (!one) continue;
    const m = /^(?:"?([^"<]*)"?\s*)?<([^<>\s]+)>$/.exec(one);
    const email = m ? m[2]! : one;
    if (!/^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$/.test(email)) { bad.push(one); continue; }
    people.push({ name: m?.[1]?.trim() || null, email });
  }
  return { people, bad };
}
