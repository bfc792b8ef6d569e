// A finger that draws a row of the list aside does something with it. Everything it
// does is in the menus too, and can be undone; who trembles turns it off.
import { t } from '../i18n';
import { box } from './box.svelte';

/** What drawing a row to a side does: nothing, where there is no such thing to do. */
export type Side = { name: string; danger: boolean; run: (id: string) => void };

export function sides(): { right: Side | null; left: Side | null } {
  const role = box.current?.role, to = (r: 'archive' | 'trash' | 'inbox') => (box.search || role === 'drafts' || role === r ? undefined : box.role(r));
  const put = role === 'archive' || role === 'trash' || role === 'junk' ? to('inbox') : to('archive'), away = to('trash');
  return {
    right: put ? { name: put.role === 'inbox' ? t('inbox') : t('archiveIt'), danger: false, run: (id) => void box.moveTo(put, put.role === 'inbox' ? 'moved' : 'archived', [id]) } : null,
    left: away ? { name: t('deleteIt'), danger: true, run: (id) => void box.moveTo(away, 'deleted', [id]) } : null,
  };
}

const cookie = /(?:^|; )swipe=off(?:;|$)/;
export const swiping = { get on() { return !cookie.test(document.cookie); }, set(on: boolean) { document.cookie = `swipe=${on ? 'on' : 'off'}; path=/mail; max-age=31536000; samesite=lax`; } };

const begins = 14, most = 0.4; // pixels until it is meant; the part of the width from which it counts

/** For a row; id says which mail it is when the finger comes down. */
export function swipe(node: HTMLElement, id: () => string) {
  let down: { x: number; y: number; id: string; pointer: number } | null = null;
  let side: Side | null = null, dx = 0;
  const rest = () => { node.removeAttribute('data-swipe'); node.style.removeProperty('--dx'); side = null; dx = 0; };
  const start = (e: PointerEvent) => { if (e.pointerType !== 'mouse' && e.isPrimary && swiping.on) down = { x: e.clientX, y: e.clientY, id: id(), pointer: e.pointerId }; };
  const move = (e: PointerEvent) => {
    if (!down || e.pointerId !== down.pointer) return;
    dx = e.clientX - down.x;
    if (!side && Math.abs(dx) < begins) return;
    if (!node.hasPointerCapture(e.pointerId)) {
      if (Math.abs(dx) < 1.5 * Math.abs(e.clientY - down.y)) { down = null; return; } // the list is scrolled
      node.setPointerCapture(e.pointerId);
    }
    const to = dx > 0 ? 'right' : 'left';
    side = sides()[to];
    node.dataset.swipe = !side ? 'none' : Math.abs(dx) >= node.clientWidth * most ? `${to} on` : to;
    node.dataset.act = side?.name ?? '';
    node.classList.toggle('away', !!side?.danger);
    node.style.setProperty('--dx', `${side ? dx : dx / 6}px`);
  };
  const end = (e: PointerEvent) => {
    if (!down || e.pointerId !== down.pointer) return;
    const { id: which } = down, act = side && Math.abs(dx) >= node.clientWidth * most ? side : null;
    // What is drawn aside is not opened by the finger that leaves it.
    if (node.hasPointerCapture(e.pointerId)) addEventListener('click', (c) => { if (node.contains(c.target as Node)) { c.preventDefault(); c.stopPropagation(); } }, { capture: true, once: true, signal: AbortSignal.timeout(400) });
    down = null;
    rest();
    act?.run(which);
  };
  const cancel = () => { down = null; rest(); };
  node.addEventListener('pointerdown', start);
  node.addEventListener('pointermove', move);
  node.addEventListener('pointerup', end);
  node.addEventListener('pointercancel', cancel);
  return { destroy: cancel };
}
