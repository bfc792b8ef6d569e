import { box } from './box.svelte';
import { route } from '../route.svelte';
import { sheets } from './sheets.svelte';

const typing = (e: KeyboardEvent) => (e.target as HTMLElement).closest('input:not([type=checkbox]), textarea, select, [contenteditable], dialog') !== null;

/** The keys of Keys.svelte; returns how to end them. */
export function keyboard(app: { help: () => void; search: () => void }): () => void {
  let before = ''; // of a key that waits for a second one
  const step = (by: number) => {
    const at = Math.min(Math.max(box.cursor + by, 0), (box.total ?? 1) - 1);
    box.cursor = at;
    const id = box.ids[at];
    if (id && box.opened) void box.read(id);
  };
  const to = (role: string) => { const m = box.role(role); if (!m) return; if (route.area !== 'mail') route.go([]); box.close(); void box.show(m.id); };
  const move = (role: string, said: 'archived' | 'deleted' | 'moved') => { const m = box.role(role); if (m && box.target.length > 0) void box.moveTo(m, said); };
  const last = () => box.thread.at(-1);
  const keys: Record<string, () => void> = {
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    o: () => { const id = box.ids[box.cursor]; if (id) void (box.rows.get(id)?.keywords.$draft ? sheets.edit(id) : box.read(id)); },
    u: () => box.close(), Escape: () => { if (box.selected.size > 0) box.selected.clear(); else box.close(); },
    e: () => move('archive', 'archived'), '#': () => move('trash', 'deleted'), Delete: () => move('trash', 'deleted'), '!': () => move('junk', 'moved'),
    s: () => void box.toggle('$flagged'), U: () => void box.toggle('$seen'),
    m: () => { if (box.target.length > 0) void box.mute(); }, p: () => { if (box.target.length > 0) void box.toggle('$pinned'); },
    x: () => { const id = box.ids[box.cursor]; if (id) { if (box.selected.has(id)) box.selected.delete(id); else box.selected.add(id); } },
    r: () => { const m = last(); if (m) void sheets.reply(m, false); }, a: () => { const m = last(); if (m) void sheets.reply(m, true); }, f: () => { const m = last(); if (m) void sheets.forward(m); },
    c: () => sheets.write(), '/': app.search, '?': app.help, z: () => { const undo = box.toast?.undo; box.toast = null; void undo?.(); },
    'g i': () => to('inbox'), 'g s': () => to('sent'), 'g d': () => to('drafts'), 'g t': () => to('trash'), 'g a': () => to('archive'),
  };
  const down = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing(e)) return;
    // A button that has the focus keeps what buttons do.
    if ((e.key === 'Enter' || e.key === ' ') && (e.target as HTMLElement).closest('button, a, summary, input')) return;
    const key = before ? `${before} ${e.key}` : e.key === 'Enter' ? 'o' : e.key;
    before = !before && e.key === 'g' ? 'g' : '';
    const run = keys[key];
    if (!run || !(route.area === 'mail' || ['c', '/', '?'].includes(key) || key.startsWith('g '))) return;
    e.preventDefault();
    run();
  };
  addEventListener('keydown', down);
  return () => removeEventListener('keydown', down);
}
