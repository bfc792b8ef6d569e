import type { Args } from '../jmap/client';
import type { Mailbox } from '../jmap/types';

// Operators that people type, in both languages, and what they ask for.
const operators: Record<string, (v: string, boxes: Mailbox[]) => Args | null> = {
  de: (v) => ({ from: v }), from: (v) => ({ from: v }),
  a: (v) => ({ to: v }), à: (v) => ({ to: v }), to: (v) => ({ to: v }),
  cc: (v) => ({ cc: v }), copie: (v) => ({ cc: v }),
  objet: (v) => ({ subject: v }), sujet: (v) => ({ subject: v }), subject: (v) => ({ subject: v }),
  texte: (v) => ({ body: v }), body: (v) => ({ body: v }),
  has: (v) => (/^(attachment|file)/i.test(v) ? { hasAttachment: true } : null),
  avec: (v) => (/^(pi[eè]ce|pj|fichier)/i.test(v) ? { hasAttachment: true } : null),
  est: state, is: state,
  avant: (v) => date('before', v), before: (v) => date('before', v),
  après: (v) => date('after', v), apres: (v) => date('after', v), after: (v) => date('after', v), depuis: (v) => date('after', v),
  dans: folder, in: folder,
};

function state(v: string): Args | null {
  if (/^(non-?lu|unread)/i.test(v)) return { notKeyword: '$seen' };
  if (/^(lu|read)/i.test(v)) return { hasKeyword: '$seen' };
  if (/^([eé]toile|starred|flagged|important)/i.test(v)) return { hasKeyword: '$flagged' };
  return null;
}

function folder(v: string, boxes: Mailbox[]): Args | null {
  const m = boxes.find((b) => b.role === v.toLowerCase() || b.name.toLowerCase().startsWith(v.toLowerCase()));
  return m ? { inMailbox: m.id } : null;
}

// 2025, 2025-03, 2025-03-14, 14/03/2025, 03/2025
function date(which: 'before' | 'after', v: string): Args | null {
  let m = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(v);
  let [y, mo, d] = m ? [m[1], m[2], m[3]] : [];
  if (!m && (m = /^(?:(\d{1,2})\/)?(\d{1,2})\/(\d{4})$/.exec(v))) [d, mo, y] = [m[1], m[2], m[3]];
  if (!y) return null;
  const at = new Date(Number(y), Number(mo ?? 1) - 1, Number(d ?? 1));
  return Number.isNaN(at.getTime()) ? null : { [which]: at.toISOString().slice(0, 19) + 'Z' };
}

/** A search as its pieces: words, and operators that were understood. */
export function pieces(text: string, boxes: Mailbox[]): { text: string; asks: Args | null }[] {
  return [...text.matchAll(/(\p{L}+):("[^"]*"?|\S+)|"[^"]*"?|\S+/gu)].map((m) => {
    const op = m[1] && operators[m[1].toLowerCase()];
    return { text: m[0], asks: op ? op(m[2]!.replaceAll('"', ''), boxes) : null };
  });
}

/** The filter that a search asks for; what is no operator is looked for in the text. */
export function filterOf(text: string, boxes: Mailbox[]): Args {
  const conditions: Args[] = [];
  const words: string[] = [];
  for (const p of pieces(text, boxes)) {
    if (p.asks) conditions.push(p.asks); else words.push(p.text);
  }
  if (words.length > 0) conditions.push({ text: words.join(' ') });
  return conditions.length === 1 ? conditions[0]! : { operator: 'AND', conditions };
}

/** A snippet of RFC 8621 §5 as pieces, every second one of which was searched for. */
export function marked(html: string): string[] {
  const plain = (s: string) => s.replace(/&(lt|gt|amp|quot|#39|#34);/g, (_, e: string) => ({ lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'", '#34': '"' })[e] ?? '');
  return html.split(/<\/?mark>/).map(plain);
}
