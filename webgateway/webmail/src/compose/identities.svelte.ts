// Whom a member writes as.
import type { Email, Person } from '../jmap/types';
import { box } from '../mail/box.svelte';
import type { Identity } from '../me/identity';

class Identities {
  all = $state.raw<Identity[]>([]);
  #loading: Promise<void> | null = null;

  /** Loads them once; without a line the member's own address does. */
  load(): Promise<void> {
    return this.#loading ??= (async () => {
      try { this.all = (await box.client.call('Identity/get', { ids: null })).list; } catch { this.#loading = null; }
    })();
  }

  /** Those of before are no more; the next letter asks again. */
  forget(): void { this.#loading = null; }

  get first(): Identity | undefined { return this.all[0]; }

  /** The one that a mail was written to, else the first. */
  addressed(email: Email): Identity | undefined {
    const to = new Set([...(email.to ?? []), ...(email.cc ?? [])].map((p: Person) => p.email.toLowerCase()));
    return this.all.find((i) => to.has(i.email.toLowerCase())) ?? this.first;
  }
}

export const identities = new Identities();
