// Groups of contacts: cards that name others by their uid (RFC 9553 §2.1.6).
import type { Id } from '../jmap/client';
import type { Person } from '../jmap/types';
import { box } from '../mail/box.svelte';
import { nameOf, type Card } from './card';

export type Group = { id: Id; name: string; members: string[] };
export type Known = { uid: string; id: Id; name: string; email: string };

const most = 1000; // cards that are looked at: what one answer may hold

class Groups {
  all = $state.raw<Group[]>([]);
  people = $state.raw<Known[]>([]);
  #loading: Promise<void> | null = null;

  /** Loads groups and the people that can be in them, once. */
  load(): Promise<void> {
    return this.#loading ??= (async () => {
      try {
        const got = await box.client.calls(['ContactCard/query', { sort: [{ property: 'name' }], limit: most }, 'q'],
          ['ContactCard/get', { '#ids': { resultOf: 'q', name: 'ContactCard/query', path: '/ids' }, properties: ['id', 'uid', 'kind', 'name', 'emails', 'organizations', 'members'] }, 'g']);
        const cards = (got[1].list as Card[]);
        this.all = cards.filter((c) => c.kind === 'group').map((c) => ({ id: c.id, name: nameOf(c), members: Object.keys(c.members ?? {}) }));
        this.people = cards.filter((c) => c.kind !== 'group').map((c) => ({ uid: c.uid ?? '', id: c.id, name: nameOf(c), email: Object.values(c.emails ?? {})[0]?.address ?? '' }))
          .sort((a, b) => a.name.localeCompare(b.name));
      } catch { this.#loading = null; }
    })();
  }

  /** Those of before are no more; the next who asks looks anew. */
  forget(): void { this.#loading = null; }

  /** Whom a letter to a group goes to. */
  of(g: Group): Person[] {
    return g.members.flatMap((uid) => this.people.filter((p) => p.uid === uid && p.email).map((p) => ({ name: p.name === p.email ? null : p.name, email: p.email })));
  }

  /** Groups whose name begins so, or has a word that does. */
  called(text: string): Group[] {
    const bare = (s: string) => s.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase(), words = bare(text);
    return this.all.filter((g) => bare(g.name).split(/\s+/).some((_, i, all) => all.slice(i).join(' ').startsWith(words)) && this.of(g).length > 0);
  }
}

export const groups = new Groups();
