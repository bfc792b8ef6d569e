export type Block = { text: string; quoted: boolean; signature: boolean };

/** A plain text as blocks: what its author wrote, what they quoted, how they sign. */
export function blocks(text: string): Block[] {
  const out: Block[] = [];
  let signature = false;
  for (const line of text.replace(/\n+$/, '').split('\n')) {
    if (line === '-- ' || line === '--') signature = true;
    const quoted = !signature && line.startsWith('>');
    const last = out.at(-1);
    const s = quoted ? line.replace(/^> ?/, '') : line;
    if (last && last.quoted === quoted && last.signature === signature) last.text += '\n' + s;
    else out.push({ text: s, quoted, signature });
  }
  return out.filter((b) => b.text.trim() !== '');
}

/** A text as a quotation. */
export const quote = (text: string): string => text.replace(/\n+$/, '').split('\n').map((l) => (l.startsWith('>') ? '>' : '> ') + l).join('\n');
