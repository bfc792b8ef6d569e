// The areas beside the mail, each loaded when it is first opened.
import type { Component } from 'svelte';
import { speak } from './i18n';
import type { Area } from './route.svelte';

export const { t } = speak({
  fr: { mail: 'Courrier', albums: 'Albums', transfers: 'Envois', contacts: 'Contacts', me: 'Moi', areas: 'Rubriques', search: 'Chercher' },
  en: { mail: 'Mail', albums: 'Albums', transfers: 'Transfers', contacts: 'Contacts', me: 'Me', areas: 'Areas', search: 'Search' },
});

/** What draws an area. */
export const pages: Partial<Record<Area, () => Promise<{ default: Component }>>> = {
  me: () => import('./me/Page.svelte'),
};
