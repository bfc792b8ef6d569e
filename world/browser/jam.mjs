// Uses a member's mail as a program by others does, jmap-jam, and says what is
// wrong, one line each; "ok " begins news. Reads what to do as JSON from stdin (see
// jam_test.go).
import { readFileSync } from 'node:fs';
import JamClient from 'jmap-jam';

const site = JSON.parse(readFileSync(0, 'utf8'));
let bad = 0;
const want = (ok, ...words) => { if (!ok) { bad++; console.log(words.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' ')); } };

const jam = new JamClient({ sessionUrl: `${site.base}/.well-known/jmap`, bearerToken: site.token });
const accountId = await jam.getPrimaryAccount();
want((await jam.session).username === site.address, 'the session is of', (await jam.session).username);

// Mailboxes, and mails through result references.
const [mailboxes] = await jam.api.Mailbox.get({ accountId });
const box = (role) => mailboxes.list.find((m) => m.role === role)?.id;
want(box('inbox') && box('sent') && box('drafts'), 'mailboxes:', mailboxes.list.map((m) => m.role));
const [{ mails, thread }] = await jam.requestMany((t) => {
  const ids = t.Email.query({ accountId, filter: { inMailbox: box('inbox'), text: 'réunion' }, sort: [{ property: 'receivedAt', isAscending: false }], limit: 10 });
  const mails = t.Email.get({ accountId, ids: ids.$ref('/ids'), properties: ['id', 'threadId', 'subject', 'from', 'textBody', 'bodyValues', 'keywords', 'attachments', 'header:List-Id:asText'], fetchTextBodyValues: true });
  const thread = t.Thread.get({ accountId, ids: mails.$ref('/list/*/threadId') });
  return { ids, mails, thread };
});
const mail = mails.list[0];
want(mails.list.length === 1 && mail.subject === 'La réunion de jeudi' && mail.from[0].email === site.from, 'the mail:', mails.list);
want(mail.bodyValues[mail.textBody[0].partId].value.includes('à huit heures'), 'its text:', mail.bodyValues);
want(thread.list[0].emailIds.includes(mail.id), 'its thread:', thread.list);

// News, while a keyword is set. Node has no EventSource, and the library's asks
// without the token; the address is the session's.
const at = new URL((await jam.session).eventSourceUrl.replace('{types}', 'Email').replace('{closeafter}', 'state').replace('{ping}', '0'));
const stream = await fetch(at, { headers: { Authorization: jam.authHeader } });
const reader = stream.body.getReader();
await reader.read(); // it listens
const [set] = await jam.api.Email.set({ accountId, update: { [mail.id]: { 'keywords/$flagged': true } } });
want(set.updated && mail.id in set.updated, 'the flag:', set);
let news = '';
for (let r = await reader.read(); !r.done; r = await reader.read()) news += new TextDecoder().decode(r.value);
want(/event: state/.test(news) && news.includes(`"${accountId}"`), 'the news:', news);
const [changes] = await jam.api.Email.changes({ accountId, sinceState: mails.state });
want(changes.updated.join() === mail.id && changes.created.length === 0, 'the changes:', changes);

// A file goes up, into a letter, out, and down again.
const file = new Uint8Array(50_000).map((_, i) => i % 251);
const up = await jam.uploadBlob(accountId, file, { headers: { Authorization: jam.authHeader, 'Content-Type': 'application/x-odd' } });
want(up.size === file.length && up.type === 'application/x-odd', 'the upload:', up);
const [identities] = await jam.api.Identity.get({ accountId });
const me = identities.list[0];
const [sent, meta] = await jam.requestMany((t) => {
  const letter = t.Email.set({ accountId, create: { letter: {
    mailboxIds: { [box('drafts')]: true }, keywords: { $draft: true }, from: [{ name: me.name, email: me.email }], to: [{ email: site.from }], subject: 'Re: La réunion de jeudi',
    textBody: [{ partId: 't', type: 'text/plain' }], bodyValues: { t: { value: 'D’accord.' } }, attachments: [{ blobId: up.blobId, name: 'plan.odd', type: 'application/x-odd' }],
  } } });
  const out = t.EmailSubmission.set({ accountId, create: { out: { emailId: '#letter', identityId: me.id } },
    onSuccessUpdateEmail: { '#out': { [`mailboxIds/${box('drafts')}`]: null, [`mailboxIds/${box('sent')}`]: true, 'keywords/$draft': null } } });
  return { letter, out };
}, { createdIds: {} });
want(meta.createdIds?.letter && sent.out, 'what was created:', meta.createdIds);
const [gone] = await jam.api.Email.get({ accountId, ids: [meta.createdIds.letter], properties: ['mailboxIds', 'keywords', 'attachments'] });
want(gone.list[0].mailboxIds[box('sent')] && !gone.list[0].keywords.$draft, 'the letter:', gone.list[0]);
const part = gone.list[0].attachments[0];
const down = await jam.downloadBlob({ accountId, blobId: part.blobId, mimeType: 'application/octet-stream', fileName: 'plan.odd' });
want(Buffer.from(await down.arrayBuffer()).equals(Buffer.from(file)), 'the file is another one');

// What cannot be is said as the RFC says it.
const refused = await jam.api.Email.get({ accountId: 'anothers', ids: [] }).then(() => null, (e) => e);
want(refused?.type === 'accountNotFound', 'another account:', refused);
const anchored = await jam.api.Email.query({ accountId, anchor: 'nothing' }).then(() => null, (e) => e);
want(anchored?.type === 'anchorNotFound', 'an anchor that is not there:', anchored);
console.log(bad ? `${bad} complaints` : 'ok all');
process.exit(bad ? 1 : 0);
