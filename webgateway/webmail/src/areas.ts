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
  albums: () => import('./share/Albums.svelte'),
  transfers: () => import('./share/Transfers.svelte'),
  contacts: () => import('./contacts/Page.svelte'),
  me: () => import('./me/Page.svelte'),
};

/** What the server must be able to do for an area. */
export const needs: Partial<Record<Area, string>> = { albums: 'urn:colporteur:params:jmap:sharing', transfers: 'urn:colporteur:params:jmap:sharing', contacts: 'urn:ietf:params:jmap:contacts' };
