// Contacts as JSContact (RFC 9553) has them, as far as the form shows them. What it
// does not show stays as it is: only what was changed is sent.
import { box } from '../mail/box.svelte';
import type { Id } from '../jmap/client';

type Map<T> = Record<string, T>;
export type Card = {
  id: Id; kind?: string; uid?: string; name?: { full?: string; components?: { kind: string; value: string }[] }; emails?: Map<{ address: string; contexts?: Map<true>; label?: string }>; phones?: Map<{ number: string; contexts?: Map<true> }>;
  organizations?: Map<{ name?: string }>; addresses?: Map<{ full?: string; components?: { kind: string; value: string }[] }>; notes?: Map<{ note: string }>; media?: Map<{ kind?: string; blobId?: Id; mediaType?: string; uri?: string }>; members?: Map<true>;
};

/** The form's own shape. */
export type Form = { name: string; emails: string[]; phones: string[]; organization: string; address: string; note: string; picture: { blobId: Id; type: string } | null };

const parts = (list: { kind: string; value: string }[] | undefined) => (list ?? []).filter((c) => c.kind !== 'separator').map((c) => c.value).join(' ');
export const nameOf = (c: Card): string => c.name?.full || parts(c.name?.components) || firstOf(c.organizations)?.name || firstOf(c.emails)?.address || '';
const firstOf = <T>(m: Map<T> | undefined): T | undefined => Object.values(m ?? {})[0];

export const pictureOf = (c: Card) => Object.values(c.media ?? {}).find((m) => m.kind === 'photo' && m.blobId);

export const formOf = (c: Card | null): Form => {
  const photo = c ? pictureOf(c) : undefined, place = firstOf(c?.addresses);
  return {
    name: c ? nameOf(c) : '', emails: Object.values(c?.emails ?? {}).map((e) => e.address).concat(''), phones: Object.values(c?.phones ?? {}).map((p) => p.number).concat(''), organization: firstOf(c?.organizations)?.name ?? '',
    address: place?.full || parts(place?.components), note: firstOf(c?.notes)?.note ?? '', picture: photo ? { blobId: photo.blobId!, type: photo.mediaType ?? 'image/jpeg' } : null,
  };
};

// A list of the form as a map: an entry that stays keeps its key, and what else is said of it.
function merged<T>(before: Map<T> | undefined, values: string[], value: (t: T) => string, make: (v: string, t?: T) => T): Map<T> {
  const out: Map<T> = {}, wanted = values.map((v) => v.trim()).filter(Boolean);
  const left = Object.entries(before ?? {});
  for (const v of wanted) {
    const at = left.findIndex(([, t]) => value(t) === v);
    const [key, t] = at >= 0 ? left.splice(at, 1)[0]! : [`k${Object.keys(out).length + 1}-${crypto.randomUUID().slice(0, 8)}`, undefined];
    out[key] = make(v, t);
  }
  return out;
}

const single = <T>(before: Map<T> | undefined, v: string, make: (v: string, t?: T) => T): Map<T> | null => {
  const [key, t] = Object.entries(before ?? {})[0] ?? ['k1', undefined];
  const rest = Object.fromEntries(Object.entries(before ?? {}).slice(1)) as Map<T>;
  const all = v.trim() ? { [key]: make(v.trim(), t), ...rest } : rest;
  return Object.keys(all).length > 0 ? all : null;
};

/** What saving the form changes of a card; of a new one, all of it. */
export function changes(c: Card | null, was: Form, f: Form): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const differs = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b);
  if (differs(was.name, f.name) || !c) out.name = f.name.trim() ? { '@type': 'Name', full: f.name.trim() } : null;
  if (differs(was.emails, f.emails)) out.emails = merged(c?.emails, f.emails, (e) => e.address, (address, t) => ({ ...t, address }));
  if (differs(was.phones, f.phones)) out.phones = merged(c?.phones, f.phones, (p) => p.number, (number, t) => ({ ...t, number }));
  if (was.organization !== f.organization) out.organizations = single(c?.organizations, f.organization, (name, t) => ({ ...t, name }));
  if (was.address !== f.address) out.addresses = single(c?.addresses, f.address, (full) => ({ full }));
  if (was.note !== f.note) out.notes = single(c?.notes, f.note, (note, t) => ({ ...t, note }));
  if (differs(was.picture, f.picture)) {
    const others = Object.fromEntries(Object.entries(c?.media ?? {}).filter(([, m]) => m.kind !== 'photo'));
    out.media = f.picture ? { ...others, photo: { kind: 'photo', blobId: f.picture.blobId, mediaType: f.picture.type } } : Object.keys(others).length > 0 ? others : null;
  }
  if (!c) for (const [k, v] of Object.entries(out)) if (v === null || (typeof v === 'object' && Object.keys(v as object).length === 0)) delete out[k];
  return out;
}

/** A portrait, as large as it is ever shown. */
export async function portrait(file: Blob): Promise<{ blobId: Id; type: string } | null> {
  let image: ImageBitmap;
  try { image = await createImageBitmap(file); } catch { return null; }
  const side = Math.min(image.width, image.height), to = Math.min(512, side);
  const canvas = new OffscreenCanvas(to, to);
  canvas.getContext('2d')!.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, to, to);
  const up = await box.client.upload(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 }));
  return { blobId: up.blobId, type: 'image/jpeg' };
}
