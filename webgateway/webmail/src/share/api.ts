// Transfers and albums as our own capability has them (webgateway/jmap/sharing).
import { here, MethodError, type Id } from '../jmap/client';
import { box } from '../mail/box.svelte';

export const capability = 'urn:colporteur:params:jmap:sharing';

export type File = { id: Id; name: string; type: string; size: number; blobId: Id | null };
export type Transfer = {
  id: Id; title: string; url: string | null; createdAt: string; expiresAt: string; recalledAt: string | null; graceUntil: string | null; frozen: boolean; needsPassword: boolean;
  maxDownloads: number | null; downloads: number; size: number; files: File[]; recipients: Id[]; handIn: boolean;
};
export type Album = {
  id: Id; title: string; url: string | null; mailto: string; createdAt: string; photos: number; size: number; cover: { photoId: Id; url: string } | null;
  guestsMayAdd: boolean; guestsMayComment: boolean; recalledAt: string | null; graceUntil: string | null; frozen: boolean;
};
export type Photo = { id: Id; albumId: Id; name: string; takenAt: string | null; addedAt: string; caption: string; by: string; thumbUrl: string; url: string; kind: 'photo' | 'film'; filmUrl?: string | null };
export type Comment = { id: Id; albumId: Id; photoId: Id | null; by: string; text: string; at: string };
export type Guest = { id: Id; transferId: Id | null; albumId: Id | null; email: string; name: string; downloads: number | null; lastSeenAt: string | null };

// Pictures are had from where the app came from, whatever the site calls itself.
function near<T>(x: T): T {
  const out = x as Record<string, any>;
  for (const name of ['thumbUrl', 'filmUrl']) if (out[name]) out[name] = here(out[name]);
  if (out.thumbUrl) out.url = here(out.url);
  if (out.cover) out.cover = { ...out.cover, url: here(out.cover.url) };
  return x;
}

/** All of a type that a filter finds, in the server's order. */
export async function list<T extends { id: Id }>(type: string, filter: Record<string, unknown> | null = null, limit = 500): Promise<T[] | undefined> {
  const got = await box.try(() => box.client.calls([`${type}/query`, { filter, limit }, 'q'],
    [`${type}/get`, { '#ids': { resultOf: 'q', name: `${type}/query`, path: '/ids' } }, 'g']));
  if (!got) return undefined;
  const by = new Map((got[1].list as T[]).map((x) => [x.id, near(x)]));
  return (got[0].ids as Id[]).map((id) => by.get(id)).filter((x) => x !== undefined);
}

export async function get<T>(type: string, id: Id): Promise<T | null | undefined> {
  const got = await box.try(() => box.client.call(`${type}/get`, { ids: [id] }));
  return got ? (got.list[0] as T | undefined) ?? null : undefined;
}

type Refusal = { type: string; description?: string };
const why = (r: Refusal) => { throw new MethodError(r.type, r.description ?? ''); };

/** Creates one; what the server refuses is said. */
export const create = (type: string, values: Record<string, unknown>): Promise<any> => box.try(async () => {
  const got = await box.client.call(`${type}/set`, { create: { n: values } });
  if (got.notCreated?.n) why(got.notCreated.n);
  return got.created.n;
});

export const update = (type: string, id: Id, change: Record<string, unknown>): Promise<any> => box.try(async () => {
  const got = await box.client.call(`${type}/set`, { update: { [id]: change } });
  if (got.notUpdated?.[id]) why(got.notUpdated[id]);
  return got;
});

export const destroy = (type: string, id: Id): Promise<any> => box.try(async () => {
  const got = await box.client.call(`${type}/set`, { destroy: [id] });
  if (got.notDestroyed?.[id]) why(got.notDestroyed[id]);
  return got;
});

/** The domain of the member's own address, where the programs' addresses are. */
export const domain = (): string => box.client.session.username.split('@')[1] ?? '';

export async function copy(text: string): Promise<boolean> {
  try { await navigator.clipboard.writeText(text); return true; } catch { return false; }
}
