// HTML that members write and quote: made harmless, turned into text, made ready
// to be sent. Loaded with the editor, not before.
import DOMPurify from 'dompurify';

const tags = ['a', 'b', 'strong', 'i', 'em', 'u', 's', 'sub', 'sup', 'p', 'div', 'br', 'ul', 'ol', 'li', 'blockquote', 'h1', 'h2', 'h3', 'h4', 'pre', 'code', 'hr', 'img', 'table', 'thead', 'tbody', 'tr', 'td', 'th', 'span'];
const attributes = ['href', 'src', 'alt', 'width', 'height', 'colspan', 'rowspan', 'data-cid'];

const purifier = DOMPurify();
// Pictures are those that came with the mail, or that the member put in: nothing is
// asked of another host while somebody writes, nor made to be by who reads it.
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'IMG') return;
  const src = node.getAttribute('src') ?? '';
  if (!/^(cid:|blob:|data:image\/(png|jpeg|gif|webp);|\/jmap\/download\/)/i.test(src)) node.replaceWith(document.createTextNode(node.getAttribute('alt') ?? ''));
});
const rules = { FORBID_CONTENTS: ['style', 'script', 'summary', 'title', 'noscript', 'template', 'svg', 'math', 'iframe', 'object'], ALLOWED_TAGS: tags, ALLOWED_ATTR: attributes, ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel|cid|blob|data):|^\/jmap\/download\//i, ALLOW_DATA_ATTR: false,
  ADD_URI_SAFE_ATTR: ['data-cid', 'width', 'height', 'colspan', 'rowspan'] }; // the others are looked at as addresses

// Taken off before it is parsed: our policy would complain about each of them.
const bare = (html: string): string => html.replace(/<style[\s\S]*?<\/style>/gi, '').replace(/ style=("[^"]*"|'[^']*')/gi, '');

/** HTML without anything that acts, is fetched, or is styled inline (which our pages' policy would not draw). */
export const clean = (html: string): string => purifier.sanitize(bare(html), rules);

/** The same as a fragment of this document, as the editor wants it. */
export const fragment = (html: string): DocumentFragment => document.importNode(purifier.sanitize(html, { ...rules, RETURN_DOM_FRAGMENT: true }), true);

const escape = (s: string): string => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

/** A plain text as HTML, a line a block; quoted lines become quotations. */
export function fromText(text: string): string {
  let out = '', depth = 0;
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const m = /^((?:> ?)*)(.*)$/.exec(line)!;
    const level = m[1]!.replace(/ /g, '').length;
    for (; depth < level; depth++) out += '<blockquote>';
    for (; depth > level; depth--) out += '</blockquote>';
    out += `<div>${escape(m[2]!) || '<br>'}</div>`;
  }
  return out + '</blockquote>'.repeat(depth);
}

const blocks = new Set(['DIV', 'P', 'LI', 'BLOCKQUOTE', 'UL', 'OL', 'H1', 'H2', 'H3', 'H4', 'PRE', 'TABLE', 'TR', 'HR']);

/** The text of HTML, for who reads no HTML: quotations with ">", lists with dashes and numbers, links with their addresses. */
export function toText(html: string): string {
  const doc = new DOMParser().parseFromString(clean(html), 'text/html');
  let lines: string[] = [], line = '';
  const end = () => { const l = line.replace(/[ \t]+$/, ''); lines.push(l === '--' ? '-- ' : l); line = ''; }; // RFC 3676 §4.3: a signature begins with a blank behind its dashes
  const inside = (f: () => void): string[] => { const was = lines; if (line) end(); lines = []; f(); if (line) end(); const got = lines; lines = was; return got; };
  const walk = (node: Node): void => {
    if (node instanceof Text) { line += node.data.replace(/[\s\u200b]+/g, (s) => (s.includes('\u00a0') ? s : ' ')).replace(/\u00a0(?![:;?!»%€])/g, ' ').replace(line === '' ? /^ / : /^$/, ''); return; }
    if (!(node instanceof Element)) return;
    const each = () => node.childNodes.forEach(walk);
    switch (node.tagName) {
      case 'BR': if (node.nextSibling || line) end(); else if (!line) lines.push(''); return;
      case 'HR': if (line) end(); lines.push('---'); return;
      case 'IMG': { const alt = node.getAttribute('alt'); if (alt) line += `[${alt}]`; return; }
      case 'BLOCKQUOTE': lines.push(...inside(each).map((l) => (l.startsWith('>') ? '>' + l : ('> ' + l).trimEnd()))); return;
      case 'UL': case 'OL': {
        const own: string[] = [];
        let n = 0;
        if (line) end();
        for (const li of node.children) {
          const got = inside(() => li.childNodes.forEach(walk)), mark = node.tagName === 'OL' ? `${++n}. ` : '- ';
          own.push(...got.map((l, i) => (i === 0 ? mark : ' '.repeat(mark.length)) + l));
        }
        lines.push(...own);
        return;
      }
      case 'A': {
        const from = line.length;
        each();
        const href = node.getAttribute('href') ?? '', said = line.slice(from).trim();
        if (/^https?:/i.test(href) && said && href.replace(/\/$/, '') !== said.replace(/\/$/, '')) line += ` <${href}>`;
        return;
      }
    }
    if (!blocks.has(node.tagName)) { each(); return; }
    if (line) end();
    const before = lines.length;
    each();
    if (line) end();
    if ((node.tagName === 'P' || /^H\d$/.test(node.tagName)) && lines.length > before) lines.push('');
  };
  doc.body.childNodes.forEach(walk);
  if (line) end();
  return lines.join('\n').replace(/\n{3,}/g, '\n\n').trim() + '\n';
}

/** What the editor shows as it is kept: pictures by their Content-ID. */
export function kept(html: string): string {
  const doc = new DOMParser().parseFromString(clean(html), 'text/html');
  doc.querySelectorAll('img[data-cid]').forEach((img) => { img.setAttribute('src', 'cid:' + img.getAttribute('data-cid')); img.removeAttribute('data-cid'); });
  return doc.body.innerHTML;
}

/** What was kept as the editor shows it; where says where a picture is had. */
export function shown(html: string, where: (cid: string) => string | undefined): string {
  const doc = new DOMParser().parseFromString(clean(html), 'text/html');
  doc.querySelectorAll('img[src^="cid:"]').forEach((img) => {
    const cid = img.getAttribute('src')!.slice(4), src = where(cid);
    if (src) { img.setAttribute('src', src); img.setAttribute('data-cid', cid); } else img.remove();
  });
  return doc.body.innerHTML;
}

/** What a letter quotes of a page that the server drew of a mail; cid says which picture a blob is. */
export function quoted(page: string, cid: (blob: string) => string | null): string {
  const body = /<body[^>]*>([\s\S]*)<\/body>/i.exec(page)?.[1] ?? page;
  return clean(body.replace(/<header[\s\S]*?<\/header>/i, '')).replace(/src="\/jmap\/download\/[^/"]+\/([^/"]+)\/[^"]*"/g, (_, blob: string) => { const c = cid(decodeURIComponent(blob)); return `src="${c ? 'cid:' + c : ''}"`; });
}

/** The Content-IDs that HTML shows. */
export const cids = (html: string): Set<string> => new Set([...html.matchAll(/src="cid:([^"]+)"/g)].map((m) => m[1]!));

/** As it is sent: a whole page, with the few styles that mail programs need to draw a quotation as one. */
export const page = (html: string): string => '<!doctype html><html><head><meta charset="utf-8"></head><body>'
  + html.replaceAll('<blockquote>', '<blockquote type="cite" style="margin:0 0 0 4px;padding-left:12px;border-left:3px solid #c9c2b2">').replaceAll('<img ', '<img style="max-width:100%;height:auto" ') + '</body></html>';
