// Reads and writes mail as members do, in Chromium, and says what is wrong, one
// line each. Lines that begin with "ok " are news. Reads what to do as JSON from
// stdin (see mail_test.go); asks for things to happen there by a line "do NAME",
// and goes on when stdin says that they did.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { held, measure, mobile } from './budget.mjs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const site = JSON.parse((await lines.next()).value);
const ask = async (what) => { console.log(`do ${what}`); return (await lines.next()).value; };
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let bad = 0;
const complain = (...words) => { bad++; console.log(words.join(' ').replaceAll('\n', ' ')); };
const want = (ok, ...words) => { if (!ok) complain(...words); };

const profile = mkdtempSync(join(tmpdir(), 'colporteur-mail-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// ONLY="reading,formatting" walks these stories alone.
const only = process.env.ONLY?.split(',');

async function visit(what, options, walk) {
  if (only && !only.includes(what)) return;
  const context = await browser.newContext({ locale: 'fr-FR', viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on('request', (r) => { if (!r.url().startsWith(site.base + '/') && !/^(data|blob|about):/.test(r.url())) complain(what, 'asks another host for', r.url()); });
  page.on('response', (r) => { if (r.status() >= 400 && !(what.includes('wrong') && r.status() === 401)) complain(what, 'got', r.status(), 'for', r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !(what.includes('wrong') && m.text().includes('401')) && !what.includes('offline') && !m.text().includes('blocked by Playwright')) complain(what, 'console:', m.text()); });
  page.on('pageerror', (e) => complain(what, 'script error:', e.message));
  page.on('dialog', (d) => { complain(what, 'a dialog opened:', d.message()); void d.dismiss(); });
  try {
    await walk(page, context);
  } catch (e) {
    complain(what, 'stopped:', e.message);
    await page.screenshot({ path: join(site.shots, `m-stopped-${what.replaceAll(' ', '-')}.png`) }).catch(() => {});
  }
  await context.close();
}

async function check(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { iframes: false, resultTypes: ['violations'] }));
  for (const v of found.violations) complain(what, 'axe:', v.id, v.help, v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary ?? ''}`).join(' | '));
}

async function enter(page, who) {
  await page.goto(`${site.base}/mail`);
  await page.locator('#name').fill(who.address);
  await page.locator('#password').fill(who.password);
  await page.locator('button.big').click();
  await page.waitForSelector('.folder', { state: 'attached' });
}

// The door.
await visit('wrong password', {}, async (page) => {
  await page.goto(`${site.base}/mail`);
  want(page.url().endsWith('/login?to=%2Fmail'), 'nobody is sent to the door:', page.url());
  await check(page, 'login');
  await page.screenshot({ path: join(site.shots, 'm-login.png') });
  await page.locator('#name').fill(site.ann.address);
  await page.locator('#password').fill('not this one');
  await page.locator('button.big').click();
  await page.getByRole('alert').waitFor();
  want(await page.locator('#name').inputValue() === site.ann.address, 'the address has to be typed again');
});

// How it looks, in both languages, light and dark, at three widths.
for (const who of [site.ann, site.bob]) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 820, 1440]) {
      const what = `${who.lang} ${colorScheme} ${width}`;
      await visit(what, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
        await enter(page, who);
        const lang = await page.evaluate(() => document.documentElement.lang);
        want(lang === who.lang, what, 'is in', lang);
        await page.waitForSelector('.row, .empty');
        await check(page, `${what} list`);
        await page.screenshot({ path: join(site.shots, `m-list-${who.lang}-${colorScheme}-${width}.png`) });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        want(wide <= 0, what, 'scrolls sideways by', wide, 'px');
        if (await page.locator('.row').count() > 0) {
          await page.locator('.row .open').first().click();
          await page.waitForSelector('.message.open');
          await page.waitForTimeout(0);
          await check(page, `${what} message`);
          await page.screenshot({ path: join(site.shots, `m-message-${who.lang}-${colorScheme}-${width}.png`) });
        }
        await page.locator('.bar .primary').click();
        await page.waitForSelector('.sheet');
        await check(page, `${what} sheet`);
        await page.screenshot({ path: join(site.shots, `m-sheet-${who.lang}-${colorScheme}-${width}.png`) });
      });
    }
  }
}

// Reading: a new mail comes by itself; what is done can be undone.
await visit('reading', {}, async (page) => {
  await enter(page, site.ann);
  const rows = page.locator('.row');
  await rows.first().waitFor();
  const before = await rows.count();
  await page.evaluate(() => new Promise((done) => {
    new MutationObserver(() => { if (!window.seen && document.querySelector('.rows')?.textContent.includes('Une nouvelle toute fraîche')) window.seen = Date.now(); }).observe(document.body, { subtree: true, childList: true, characterData: true });
    done();
  }));
  const taken = Number(await ask('mail'));
  const fresh = page.locator('.row', { hasText: 'Une nouvelle toute fraîche' });
  await fresh.waitFor();
  console.log(`ok a new mail was on the screen ${await page.evaluate(() => window.seen) - taken} ms after its 250`);
  want(await rows.count() === before + 1, 'the list has', await rows.count(), 'rows, had', before);
  want(await fresh.evaluate((e) => e.classList.contains('unread')), 'a new mail is not shown as unread');
  await fresh.locator('.open').click();
  await page.locator('.text', { hasText: 'Elle est arrivée' }).waitFor();
  await page.waitForFunction(() => !document.querySelector('.row.here')?.classList.contains('unread'));
  want(await page.locator('details blockquote').isVisible() === false, 'quoted text is not folded');
  await page.keyboard.press('e');
  await page.getByText('Message archivé.').waitFor();
  await fresh.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Annuler' }).click();
  await fresh.waitFor();
  // By keyboard alone: to the first, open, star, trash, undo.
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.waitForSelector('.message.open');
  await page.keyboard.press('s');
  await page.locator('.row.here .star').waitFor();
  await page.keyboard.press('#');
  await page.getByText('Message mis à la corbeille.').waitFor();
  await page.keyboard.press('z');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Raccourcis du clavier' }).waitFor();
  await check(page, 'keys');
  await page.keyboard.press('Escape');
});

// Setting aside: an invitation is read; a mail leaves until tomorrow and comes back
// on top; one is pinned, one muted; the back button leaves a message.
await visit('setting aside', { viewport: { width: 820, height: 900 }, timezoneId: 'Europe/Paris' }, async (page) => {
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  await ask('invite');
  const row = page.locator('.row', { hasText: 'La réunion du bureau' });
  await row.locator('.open').click();
  const card = page.locator('.invitation');
  await card.getByText('Réunion du bureau, puis repas').waitFor();
  want((await card.innerText()).includes('samedi 5 décembre 2026, 14:00 – 15:30'), 'the hour of the invitation is told as', await card.innerText());
  want((await card.innerText()).includes('Salle des fêtes'), 'the place of the invitation is missing');
  want((await page.locator('.proof').innerText()) === 'membre d\'ici', 'the badge says', await page.locator('.proof').innerText());
  await page.locator('.proof').click();
  await page.getByText('bob@home.test a écrit ce courrier').waitFor();
  await check(page, 'invitation');
  await page.screenshot({ path: join(site.shots, 'm-invitation.png') });
  await page.goBack();
  await page.getByText(/Choisissez un message pour le lire/).waitFor();
  await page.goForward();
  await card.waitFor();
  await page.reload();
  await card.waitFor();
  // Until tomorrow, and back.
  await page.getByRole('button', { name: 'Plus tard', exact: true }).last().click();
  await check(page, 'later');
  await page.screenshot({ path: join(site.shots, 'm-later.png') });
  await page.getByRole('button', { name: /Demain matin/ }).click();
  await page.getByText(/Le message reviendra/).waitFor();
  await row.waitFor({ state: 'detached' });
  await page.keyboard.press('z');
  await row.waitFor();
  await row.locator('.open').click();
  await page.getByRole('button', { name: 'Plus tard', exact: true }).last().click();
  await page.getByRole('button', { name: /Demain matin/ }).click();
  await row.waitFor({ state: 'detached' });
  await ask('tomorrow');
  await page.locator('.row.unread', { hasText: 'La réunion du bureau' }).getByText('De retour').waitFor();
  // Pinned, it stays on top; muted, its conversation leaves the inbox.
  const sea = page.locator('.row', { hasText: 'Été à la mer' });
  await sea.locator('.open').dispatchEvent('click');
  await page.waitForSelector('.message.open');
  await page.keyboard.press('p');
  await page.locator('.rows > li').first().getByText('Épinglé').waitFor();
  await page.keyboard.press('p');
  await page.locator('.rows > li').last().getByText('Été à la mer').waitFor();
  want(await page.getByText('Épinglé').count() === 0, 'what was pinned stays marked');
  await page.locator('.row', { hasText: 'Assemblée générale' }).locator('.open').dispatchEvent('click'); // mail about the host comes meanwhile
  await page.locator('.message.open', { hasText: 'ordre du jour' }).waitFor();
  await page.keyboard.press('m');
  await page.getByText(/Conversation en sourdine/).waitFor();
  await page.locator('.row', { hasText: 'Assemblée générale' }).waitFor({ state: 'detached' });
  await page.keyboard.press('z');
  await page.locator('.row', { hasText: 'Assemblée générale' }).waitFor();
  // The member's own page: larger letters, on this device, and still after a reload.
  await page.getByRole('link', { name: 'Moi' }).click();
  await page.getByLabel('Très grande').check();
  await check(page, 'me');
  await page.screenshot({ path: join(site.shots, 'm-me.png') });
  await page.reload();
  await page.getByRole('heading', { name: 'Moi' }).waitFor();
  want(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize) === '22px', 'the size of letters is forgotten');
  await page.getByLabel('Normale').check();
  await page.getByRole('link', { name: /Ce qu’un mail sait faire/ }).click();
  await page.getByText('album+vacances@home.test').waitFor();
  await check(page, 'addresses');
  await page.screenshot({ path: join(site.shots, 'm-addresses.png') });
  await page.goBack();
  // How she signs, and who answers while she is away.
  await page.getByRole('link', { name: /Adresses et signatures/ }).click();
  await page.getByRole('button', { name: 'Modifier' }).click();
  await page.getByLabel('Signature', { exact: true }).fill('Ann Petit\nTrésorière');
  await page.getByLabel('Image de la signature').setInputFiles({ name: 'logo.svg.png', mimeType: 'image/png', buffer: Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64') });
  await page.locator('.signature-picture').waitFor();
  await check(page, 'signature');
  await page.screenshot({ path: join(site.shots, 'm-signature.png') });
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.locator('pre', { hasText: 'Trésorière' }).waitFor();
  await page.getByLabel('Adresse', { exact: true }).fill('maire@ailleurs.test');
  await page.getByRole('button', { name: 'Ajouter' }).click();
  await page.getByRole('alert').waitFor();
  await page.goBack();
  await page.getByRole('link', { name: /^Absence/ }).click();
  await page.getByLabel('Répondre pendant mon absence').check();
  await page.getByLabel('Premier jour').fill('2026-12-24');
  await page.getByLabel('Dernier jour').fill('2026-12-20');
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.getByText('Le dernier jour vient avant le premier.').waitFor();
  await page.getByLabel('Dernier jour').fill('2027-01-03');
  await page.getByLabel('Votre message').fill('De retour le 4 janvier.');
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.getByText('La réponse d’absence est en marche.').waitFor();
  await check(page, 'absence');
  await page.screenshot({ path: join(site.shots, 'm-absence.png') });
  await page.reload();
  await page.getByLabel('Dernier jour').waitFor();
  want(await page.getByLabel('Dernier jour').inputValue() === '2027-01-03' && await page.getByLabel('Premier jour').inputValue() === '2026-12-24', 'the days of the absence are others');
  await page.getByRole('link', { name: 'Courrier' }).click();
  await page.locator('.row').first().waitFor();
});

// Searching: words without accents, operators, and a way back.
await visit('searching', {}, async (page) => {
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  for (const [text, found] of [['ete', 'Été à la mer'], ['de:bob sujet:mer', 'Été à la mer'], ['avec:pièce', 'Été à la mer'], ['"voici la photo"', 'Été à la mer'], ['is:unread de:personne', null]]) {
    await page.locator('#search').fill(text);
    if (found) await page.locator('.row', { hasText: found }).first().waitFor();
    else await page.locator('.empty', { hasText: 'Rien n’a été trouvé' }).waitFor();
  }
  // Where the words were found is marked; an operator is a chip that can be taken away.
  await page.locator('#search').fill('de:bob plage');
  await page.locator('.row mark', { hasText: 'plage' }).waitFor();
  await check(page, 'chips');
  await page.screenshot({ path: join(site.shots, 'm-search.png') });
  await page.getByRole('button', { name: 'Enlever « de:bob »' }).click();
  want(await page.locator('#search').inputValue() === 'plage', 'without its chip the search is', await page.locator('#search').inputValue());
  await page.locator('#search').fill('');
  await page.locator('.row').nth(1).waitFor();
});

// Hostile mail: nothing runs, nothing loads, the words stay.
await visit('hostile', {}, async (page) => {
  await enter(page, site.ann);
  await page.locator('.row', { hasText: 'Méchant' }).locator('.open').click();
  const frame = page.frameLocator('iframe.page');
  await frame.getByText('Des mots innocents').waitFor();
  want(await page.evaluate(() => window.stolen === undefined), 'a script of a mail ran');
  want(await frame.locator('img').count() > 0, 'the picture that came with it is not shown');
  const loaded = await frame.locator('img[src*="/jmap/download/"]').first().evaluate((e) => e.decode().then(() => e.naturalWidth > 0, () => false));
  want(loaded, 'the picture that came with it is not loaded');
  want(await frame.locator('script, form, object, iframe, svg, base, meta[http-equiv]').count() === 0, 'something active is in the page of a mail');
  want(await frame.locator('a[href^="javascript"], [onclick], [onerror], [style*="url"]').count() === 0, 'something active is in an attribute');
  await page.screenshot({ path: join(site.shots, 'm-hostile.png') });
});

// Writes into a letter, in place of what is there.
async function type(page, sheet, text) {
  await sheet.locator('.rich:not([aria-busy])').click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type(text);
}

// Writing: kept at every pause, through a reload and a crash; sent, and taken back.
await visit('writing offline', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  await page.keyboard.press('c');
  const sheet = page.locator('.sheet');
  await sheet.getByLabel('À', { exact: true }).fill('Bob <bob@home.test>');
  await sheet.getByLabel('Objet').fill('Une lettre');
  await sheet.locator('.tool').first().isEnabled();
  await type(page, sheet, 'Cher Bob,\nvoici ce que je voulais dire.');
  await sheet.getByText(/Enregistré à/).waitFor();
  want(await sheet.locator('.person').innerText().then((s) => s.startsWith('Bob')), 'the recipient is no chip');
  // Without a line: kept here, and nothing is lost by a reload.
  await context.setOffline(true);
  await type(page, sheet, 'Cher Bob,\nvoici ce que je voulais dire, et plus encore.');
  await sheet.getByText('gardé sur cet appareil').waitFor();
  await context.setOffline(false);
  await page.reload();
  await page.waitForSelector('.sheet');
  await page.locator('.sheet .rich', { hasText: 'et plus encore.' }).waitFor();
  await page.locator('.sheet').getByText(/Enregistré à/).waitFor();
  // The forgotten attachment.
  await type(page, sheet, 'Le plan est en pièce jointe.');
  await sheet.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await page.getByRole('alertdialog').waitFor();
  await page.getByRole('button', { name: 'Continuer à écrire' }).click();
  // Sent while the file still goes up: it waits for it.
  await page.route('**/jmap/upload/**', async (route) => { await sent; await route.continue(); });
  let pressed = () => {};
  const sent = new Promise((done) => { pressed = done; });
  await sheet.locator('input[type=file]:not([accept])').setInputFiles({ name: 'plan.txt', mimeType: 'text/plain', buffer: Buffer.from('le plan\n') });
  await sheet.locator('.strip li', { hasText: 'plan.txt' }).waitFor();
  await page.screenshot({ path: join(site.shots, 'm-writing.png') });
  await sheet.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await sheet.getByRole('button', { name: 'Envoi…' }).waitFor();
  pressed();
  await page.getByText('Le message part dans quelques secondes.').waitFor();
  await page.getByRole('button', { name: 'Annuler' }).click();
  await sheet.locator('.rich', { hasText: 'Le plan est en pièce jointe.' }).waitFor();
  await sheet.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await page.getByText('Le message part dans quelques secondes.').waitFor();
  const got = await ask('sent');
  want(got === 'Une lettre|Le plan est en pièce jointe.|plan.txt', 'bob got', got);
  await page.getByRole('button', { name: 'Envoyés' }).click();
  await page.locator('.row', { hasText: 'Une lettre' }).waitFor();
});

// Formatting: by keyboard and by button, with a picture in the text and the
// signature, as mail programs read it.
const dot = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
await visit('formatting', {}, async (page) => {
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  await page.locator('.bar .primary').click();
  const sheet = page.locator('.sheet');
  await sheet.getByLabel('À', { exact: true }).fill('bob@home.test, pas une adresse');
  await page.keyboard.press('Enter');
  await sheet.locator('.person.bad').waitFor();
  await check(page, 'bad recipient');
  await sheet.getByLabel('À', { exact: true }).focus();
  await page.keyboard.press('Backspace');
  await sheet.locator('.person.bad').waitFor({ state: 'detached' });
  await sheet.getByLabel('Objet').fill('Une belle lettre');
  await sheet.locator('.rich', { hasText: 'Trésorière' }).waitFor();
  await sheet.locator('.rich > div').first().click();
  await page.keyboard.type('Bonjour ');
  await page.keyboard.press('ControlOrMeta+b');
  await page.keyboard.type('Bob');
  await page.keyboard.press('ControlOrMeta+b');
  await page.keyboard.type(',');
  await page.keyboard.press('Enter');
  await sheet.getByRole('button', { name: 'Liste', exact: true }).click();
  await page.keyboard.type('pain');
  await page.keyboard.press('Enter');
  await page.keyboard.type('vin');
  await page.keyboard.press('Enter');
  await sheet.getByRole('button', { name: 'Liste', exact: true }).click();
  await page.keyboard.type('voir ');
  await sheet.getByRole('button', { name: 'Lien', exact: true }).click();
  await sheet.getByLabel('Adresse du lien').fill('https://home.test/ordre');
  await page.keyboard.press('Enter');
  await sheet.getByLabel('Mettre une image dans le texte').setInputFiles({ name: 'point.png', mimeType: 'image/png', buffer: dot });
  await sheet.locator('.rich img[data-cid$="@picture"]').waitFor();
  await sheet.getByText(/Enregistré à/).waitFor();
  await check(page, 'formatting');
  await page.screenshot({ path: join(site.shots, 'm-formatting.png') });
  // Closed and opened again, it is the same.
  await sheet.getByRole('button', { name: 'Fermer et garder' }).click();
  await page.getByRole('button', { name: /^Brouillons/ }).click();
  await page.locator('.row', { hasText: 'Une belle lettre' }).locator('.open').click();
  await sheet.locator('.rich b', { hasText: 'Bob' }).waitFor();
  const pictures = await sheet.locator('.rich img').evaluateAll((all) => Promise.all(all.map((e) => e.decode().then(() => e.naturalWidth, () => 0))));
  want(pictures.length === 2 && pictures.every((n) => n > 0), 'the pictures of a draft are', pictures.join());
  await sheet.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await page.getByText('Le message part dans quelques secondes.').waitFor();
  const got = await ask('formatted');
  want(got === 'ok', 'bob got', got);
  // A template, and a letter that leaves on another day, and does not.
  await page.locator('.bar .primary').click();
  await sheet.getByLabel('À', { exact: true }).fill('bob@home.test');
  await sheet.getByLabel('Objet').fill('Convocation');
  await sheet.locator('.rich', { hasText: 'Trésorière' }).waitFor();
  await sheet.locator('.rich > div').first().click();
  await page.keyboard.type('Venez tous.');
  await sheet.getByText(/Enregistré à/).waitFor();
  await sheet.getByRole('button', { name: 'Modèles' }).click();
  await sheet.getByRole('button', { name: 'Garder comme modèle' }).click();
  await page.getByText('Le modèle est gardé.').waitFor();
  await sheet.getByRole('button', { name: 'Envoyer plus tard' }).click();
  await check(page, 'send later');
  await sheet.getByLabel('Choisir le jour et l’heure').fill(new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 16)); // the server's clock runs ahead here
  await sheet.getByRole('button', { name: 'Programmer' }).click();
  await page.getByText(/Le message partira/).waitFor();
  await page.getByRole('link', { name: 'Moi' }).click();
  await page.getByRole('link', { name: /Programmés/ }).click();
  await page.locator('li', { hasText: 'Convocation' }).waitFor();
  await check(page, 'scheduled');
  await page.getByRole('button', { name: 'Ne pas envoyer' }).click();
  await page.getByText('il est de nouveau dans vos brouillons').waitFor();
  await page.getByRole('link', { name: 'Courrier' }).click();
  await page.getByRole('button', { name: /^Brouillons/ }).click();
  await page.locator('.row', { hasText: 'Convocation' }).waitFor();
  await page.locator('.bar .primary').click();
  await sheet.getByRole('button', { name: 'Modèles' }).click();
  await sheet.getByRole('button', { name: 'Convocation' }).click();
  await sheet.locator('.rich', { hasText: 'Venez tous.' }).waitFor();
  await sheet.getByRole('button', { name: 'Jeter le brouillon' }).click();
  await page.getByText('Brouillon jeté.').waitFor();
});

// Two windows with one draft: whoever writes last loses nothing of the other's.
await visit('two windows', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.getByRole('button', { name: /^Brouillons/ }).click();
  await page.locator('.row', { hasText: 'Convocation' }).locator('.open').click();
  const other = await context.newPage();
  await other.goto(page.url());
  await other.locator('.row', { hasText: 'Convocation' }).locator('.open').click();
  for (const [p, words] of [[page, 'Ici. '], [other, 'Là-bas. ']]) {
    await p.bringToFront();
    await p.locator('.sheet .rich', { hasText: 'Venez tous.' }).waitFor();
    await p.locator('.sheet .rich > div').first().click();
    await p.keyboard.type(words);
    await p.locator('.sheet .status', { hasText: /Enregistré à|deux versions/ }).waitFor().catch(async () => { await p.screenshot({ path: join(site.shots, 'm-other.png') }); throw new Error(words); });
  }
  await other.getByText('les deux versions sont gardées').waitFor();
  await other.locator('.sheet').getByRole('button', { name: 'Fermer et garder' }).click();
  await other.locator('.row', { hasText: 'Convocation' }).nth(1).waitFor();
  want(await ask('drafts') === 'ok', 'a version of the draft is lost');
});

// Answering: to whom, about what, quoted, and the thread holds.
await visit('answering', {}, async (page) => {
  await enter(page, site.ann);
  await page.locator('.row', { hasText: 'Été à la mer' }).locator('.open').click();
  await page.waitForSelector('.message.open');
  await page.keyboard.press('r');
  const sheet = page.locator('.sheet');
  await sheet.waitFor();
  want((await sheet.locator('.person').first().getAttribute('title')).includes('bob@home.test'), 'the answer goes to', await sheet.locator('.person').first().getAttribute('title'));
  await sheet.locator('.rich blockquote', { hasText: 'Bonjour Ann,' }).waitFor();
  await page.screenshot({ path: join(site.shots, 'm-answer.png') });
  await sheet.getByRole('button', { name: 'Texte simple' }).click();
  want((await sheet.locator('textarea').inputValue()).includes('> Bonjour Ann,'), 'the answer quotes nothing:', await sheet.locator('textarea').inputValue());
  await sheet.getByRole('button', { name: 'Mise en forme' }).click();
  await sheet.locator('.rich blockquote', { hasText: 'Bonjour Ann,' }).waitFor();
  await sheet.getByRole('button', { name: 'Jeter le brouillon' }).click();
  await sheet.waitFor({ state: 'detached' });
  // A hostile mail is quoted without what it is hostile with.
  await page.locator('.row', { hasText: 'Méchant' }).locator('.open').click();
  await page.frameLocator('iframe.page').getByText('Des mots innocents').waitFor();
  await page.keyboard.press('f');
  await sheet.locator('.rich', { hasText: 'Des mots innocents' }).waitFor();
  want(await sheet.locator('.rich').locator('script, iframe, form, svg, style, [onclick], [onerror], [href^="javascript"], img[src^="http"]').count() === 0, 'something active is quoted');
  want(await page.evaluate(() => window.stolen === undefined), 'a quoted script ran');
  await sheet.getByRole('button', { name: 'Jeter le brouillon' }).click();
  await page.getByText('Brouillon jeté.').waitFor();
});

// A hundred thousand are a scrollbar: only what is seen is asked for.
await visit('many', {}, async (page) => {
  await enter(page, site.bob);
  await page.locator('.row').first().waitFor();
  const total = Number((await page.locator('.list .head [role=status]').innerText()).replace(/\D/g, ''));
  want(only || total === site.many + 2, 'the list says', total, 'mails, there are', site.many, 'and two letters');
  await page.locator('.list .scroll').evaluate((e) => { e.scrollTop = e.scrollHeight; });
  await page.locator('.row', { hasText: 'Message 1 of many' }).waitFor();
  want(await page.locator('.rows > li').count() < 40, 'there are', await page.locator('.rows > li').count(), 'rows in the page');
});

// Sharing: a transfer and an album are made, watched and called back in the app.
const photo = Buffer.from(site.photo, 'base64');
await visit('sharing', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.getByRole('link', { name: 'Envois', exact: true }).click();
  await page.getByText('Aucun envoi.').waitFor();
  await page.getByText('envoi@home.test').waitFor();
  await check(page, 'no transfers');
  await page.screenshot({ path: join(site.shots, 'm-transfers-none.png') });
  await page.getByLabel('Fichiers', { exact: true }).setInputFiles([{ name: 'film.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(300_000, 7) }, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('des notes\n') }]);
  await page.getByLabel('Titre').fill('Le film de la fête');
  await page.getByLabel('Destinataires').fill('carl@home.test');
  await check(page, 'new transfer');
  await page.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await page.getByRole('heading', { name: 'L’envoi est prêt.' }).waitFor();
  await page.screenshot({ path: join(site.shots, 'm-transfers.png') });
  const link = (await page.locator('.copy code').first().innerText()).replace(/^https?:\/\/[^/]+/, site.base);
  await page.getByRole('link', { name: /Le film de la fête/ }).click();
  await page.getByText('carl@home.test').waitFor();
  await page.getByRole('link', { name: 'film.bin' }).waitFor();
  await check(page, 'a transfer');
  await page.screenshot({ path: join(site.shots, 'm-transfer.png') });
  const guest = await context.request.get(link);
  want(guest.status() === 200 && (await guest.text()).includes('Le film de la fête'), 'the link answers', guest.status());
  await page.getByRole('button', { name: 'Rappeler' }).click();
  await page.getByText('Rappelé : plus personne ne l’ouvre.').first().waitFor();
  want([404, 410].includes((await context.request.get(link)).status()), 'a recalled link answers', (await context.request.get(link)).status());
  await page.getByRole('button', { name: 'Rendre à nouveau disponible' }).click();
  await page.getByText('De nouveau disponible').waitFor();
  want((await context.request.get(link)).status() === 200, 'a link that is back answers', (await context.request.get(link)).status());
  // An album.
  await page.getByRole('link', { name: 'Albums', exact: true }).click();
  await page.getByText('Aucun album.').waitFor();
  await check(page, 'no albums');
  await page.getByLabel('Nouvel album').fill('Été 2026');
  await page.getByRole('button', { name: 'Créer' }).click();
  await page.getByRole('heading', { name: 'Été 2026' }).waitFor();
  await page.getByText('Cet album attend ses photos').waitFor();
  await page.getByLabel('Ajouter des photos', { exact: true }).last().setInputFiles([{ name: 'mer.jpg', mimeType: 'image/jpeg', buffer: photo }]);
  const thumb = page.locator('.photos img');
  await thumb.waitFor();
  want(await thumb.evaluate((e) => e.decode().then(() => e.naturalWidth > 0, () => false)), 'the photo of an album is not drawn');
  await thumb.click();
  await page.getByLabel('Légende').fill('La plage');
  await page.getByRole('button', { name: 'Enregistrer la légende' }).click();
  await check(page, 'a photo');
  await page.screenshot({ path: join(site.shots, 'm-photo.png') });
  await page.getByRole('button', { name: 'Fermer' }).click();
  await page.locator('.photos').getByAltText('La plage').waitFor();
  await page.getByLabel('Votre mot').fill('Quel soleil.');
  await page.getByRole('button', { name: 'Écrire', exact: true }).last().click();
  await page.getByText('Quel soleil.').waitFor();
  await page.getByLabel('Adresse de la personne').fill('mamie@ailleurs.test');
  await page.getByRole('button', { name: 'Inviter' }).click();
  await page.getByText('mamie@ailleurs.test').waitFor();
  await check(page, 'an album');
  await page.screenshot({ path: join(site.shots, 'm-album.png'), fullPage: true });
  // A photo of a mail goes into it.
  await page.getByRole('link', { name: 'Courrier' }).click();
  await page.locator('.row', { hasText: 'Été à la mer' }).locator('.open').dispatchEvent('click');
  await page.getByRole('button', { name: 'Mettre dans un album' }).click();
  await page.locator('.chooser').getByRole('button', { name: 'Été 2026' }).click();
  await page.getByText('La photo est dans l’album Été 2026.').waitFor();
  await page.getByRole('link', { name: 'Albums', exact: true }).click();
  await page.getByText('2 photos').waitFor();
  await page.screenshot({ path: join(site.shots, 'm-albums.png') });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.screenshot({ path: join(site.shots, 'm-albums-360.png') });
});

// With a finger: a row that is drawn aside goes, one that is let go comes back.
await visit('swiping', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async (page, context) => {
  await enter(page, site.bob);
  await page.locator('.row').first().waitFor();
  const cdp = await context.newCDPSession(page);
  const subject = async (n) => (await page.locator('.row .subject').nth(n).innerText()).split('\n')[0];
  const draw = async (row, by, held) => {
    const b = await row.boundingBox(), y = b.y + b.height / 2, x = b.x + b.width / 2;
    const touch = (type, dx, dy = 0) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: x + dx, y: y + dy }] });
    await touch('touchStart', 0);
    for (let i = 1; i <= 8; i++) await touch('touchMove', by * i / 8, i % 2);
    await held?.();
    await touch('touchEnd');
  };
  const first = await subject(0), second = await subject(1);
  await draw(page.locator('.row').first(), 60); // not far enough
  want(await subject(0) === first && await page.locator('[data-swipe]').count() === 0, 'a short draw did something');
  want(!page.url().includes('/m/'), 'a row that was drawn opens');
  await draw(page.locator('.row').first(), 220, async () => { await page.locator('.row[data-swipe="right on"]').waitFor(); await page.screenshot({ path: join(site.shots, 'm-swipe.png') }); });
  await page.getByText('Message archived.').waitFor();
  await page.locator('.row .subject', { hasText: new RegExp(`^${first}`) }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator('.row .subject', { hasText: first }).first().waitFor();
  await draw(page.locator('.row').nth(1), -220);
  await page.getByText('Message moved to trash.').or(page.locator('.toast', { hasText: /trash/i })).first().waitFor();
  await page.locator('.row .subject', { hasText: new RegExp(`^${second}`) }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator('.row .subject', { hasText: second }).first().waitFor();
  const scrolled = await page.locator('.list .scroll').evaluate((e) => e.scrollTop);
  want(scrolled === 0, 'the list has scrolled by', scrolled);
});

// What the first visit costs on a slow line with an old phone: KB as they travel,
// milliseconds.
await visit('budget', {}, async (page, context) => {
  await enter(page, site.bob);
  const storageState = await context.storageState();
  const fresh = async (name, path, ready, limits, options = {}) => {
    const one = await browser.newContext({ ...mobile, locale: 'fr-FR', ...options });
    held(name, await measure(one, site.base + path, ready), { shift: 0.1, ...limits }, complain);
    await one.close();
  };
  await fresh('the webmail', '/mail', '.row', { script: 85, style: 10, total: 170, requests: 15, nodes: 500 }, { storageState });
  // What grandmother opens: an album of twelve photos, and a transfer.
  const accountId = (await (await context.request.get(`${site.base}/jmap/session`)).json()).primaryAccounts['urn:ietf:params:jmap:mail'];
  const call = async (...methodCalls) => (await (await context.request.post(`${site.base}/jmap/api`, { data: { using: ['urn:ietf:params:jmap:core', 'urn:colporteur:params:jmap:sharing'], methodCalls: methodCalls.map(([n, args], i) => [n, { accountId, ...args }, `${i}`]) } })).json()).methodResponses;
  const blobs = [];
  for (let i = 0; i < 12; i++) blobs.push((await (await context.request.post(`${site.base}/jmap/upload/${accountId}/`, { headers: { 'Content-Type': 'image/jpeg' }, data: Buffer.concat([photo, Buffer.from(`${i}`)]) })).json()).blobId);
  const made = await call(['Album/set', { create: { a: { title: 'Douze photos' } } }], ['Photo/set', { create: Object.fromEntries(blobs.map((blobId, i) => [`p${i}`, { albumId: '#a', blobId, name: `photo${i}.jpg` }])) }],
    ['Transfer/set', { create: { t: { title: 'Un plan', quiet: true, files: [{ blobId: blobs[0], name: 'plan.jpg' }] } } }], ['Album/get', { ids: ['#a'] }], ['Transfer/get', { ids: ['#t'] }]);
  const path = (url) => url.replace(/^https?:\/\/[^/]+/, '');
  want(Object.keys(made[1][1].created ?? {}).length === 12, 'photos that were taken:', JSON.stringify(made[1][1].notCreated));
  await fresh('an album of twelve photos', path(made[3][1].list[0].url), '.photos img', { script: 10, total: 200, requests: 18, nodes: 200 });
  await fresh('a transfer', path(made[4][1].list[0].url), 'main h1', { script: 5, total: 90, requests: 6, nodes: 100 });
});

// Contacts: kept, found, offered as one types, in and out as vCards.
await visit('contacts', { serviceWorkers: 'block' }, async (page, context) => {
  await enter(page, site.ann);
  await page.getByRole('link', { name: 'Contacts', exact: true }).click();
  await page.getByText('Aucun contact.').waitFor();
  await check(page, 'no contacts');
  await page.getByRole('link', { name: 'Nouveau contact' }).click();
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.getByText('Un nom ou une adresse, au moins.').waitFor();
  await page.getByLabel('Nom', { exact: true }).fill('Zoé Lefèvre');
  await page.getByLabel('Adresse e-mail').first().fill('zoe@ailleurs.test');
  await page.getByLabel('Adresse e-mail 2').fill('zoe@ecole.test');
  await page.getByLabel('Téléphone').first().fill('+33 6 12 34 56 78');
  await page.getByLabel('Photo').setInputFiles({ name: 'zoe.jpg', mimeType: 'image/jpeg', buffer: photo });
  await page.locator('.portrait').waitFor();
  await check(page, 'a contact is written');
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.getByRole('heading', { name: 'Zoé Lefèvre' }).waitFor();
  await page.locator('.portrait').waitFor();
  want(await page.locator('.portrait').evaluate((e) => e.decode().then(() => e.naturalWidth, () => 0)) === 512, 'the portrait is not drawn');
  await check(page, 'a contact');
  await page.screenshot({ path: join(site.shots, 'm-contact.png') });
  await page.getByRole('button', { name: 'Modifier' }).click();
  await page.getByLabel('Association, entreprise').fill('École du Nord');
  await page.getByRole('button', { name: 'Enregistrer' }).click();
  await page.getByText('École du Nord').waitFor();
  await page.getByText('zoe@ecole.test').waitFor();
  await page.getByRole('link', { name: '← Contacts' }).click();
  const vcf = 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Marc Dupont\r\nN:Dupont;Marc;;;\r\nEMAIL:marc@ailleurs.test\r\nX-ODD:gardé\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ève\r\nEMAIL:eve@ailleurs.test\r\nEND:VCARD\r\n';
  await page.getByLabel('Importer un fichier .vcf').setInputFiles({ name: 'carnet.vcf', mimeType: 'text/vcard', buffer: Buffer.from(vcf) });
  await page.getByText('2 contacts sont arrivés.').waitFor();
  await page.getByRole('link', { name: /Marc Dupont/ }).waitFor();
  await page.getByPlaceholder('Chercher un contact').fill('zoe');
  await page.getByRole('link', { name: /Marc Dupont/ }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: /Zoé Lefèvre/ }).waitFor();
  await page.getByPlaceholder('Chercher un contact').fill('');
  await page.getByRole('link', { name: /Ève/ }).waitFor();
  await check(page, 'contacts');
  await page.screenshot({ path: join(site.shots, 'm-contacts.png') });
  const out = await (await page.context().request.get(site.base + new URL(await page.getByRole('link', { name: 'Exporter tous les contacts' }).getAttribute('href'), site.base).pathname)).text();
  for (const part of ['FN:Zoé Lefèvre', 'zoe@ecole.test', 'FN:Marc Dupont', 'X-ODD:gardé', 'PHOTO']) want(out.includes(part), 'the export has no', part);
  await page.getByRole('link', { name: /Ève/ }).click();
  await page.getByRole('button', { name: 'Supprimer ce contact' }).click();
  await page.getByText('Le contact est supprimé.').waitFor();
  await page.getByRole('button', { name: 'Annuler' }).click();
  await page.getByRole('heading', { name: 'Ève' }).waitFor();
  // Offered while one types, with and without accents. The editor comes later than
  // the first letters, and does not take them.
  let come;
  const late = new Promise((yes) => { come = yes; });
  await context.route(/squire/, async (r) => { await late; await r.continue(); });
  await page.locator('.bar .primary').click();
  const sheet = page.locator('.sheet');
  await sheet.getByLabel('À', { exact: true }).pressSequentially('lefev');
  await sheet.getByRole('option', { name: /zoe@ailleurs.test/ }).waitFor();
  come();
  await sheet.getByRole('button', { name: 'Gras' }).and(page.locator(':enabled')).waitFor();
  want(await sheet.getByLabel('À', { exact: true }).evaluate((e) => e === document.activeElement), 'the editor takes the focus from who types an address');
  await check(page, 'suggestions');
  await page.screenshot({ path: join(site.shots, 'm-suggest.png') });
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await sheet.locator('.person', { hasText: 'Zoé Lefèvre' }).waitFor();
  await sheet.getByRole('button', { name: 'Jeter le brouillon' }).click();
  await page.getByText('Brouillon jeté.').waitFor();
  // A group: made, filled, written to.
  await page.getByRole('link', { name: 'Contacts', exact: true }).click();
  await page.getByRole('link', { name: 'Nouveau groupe' }).click();
  await page.getByLabel('Nom du groupe').fill('Le bureau');
  await page.getByRole('button', { name: 'Créer le groupe' }).click();
  await page.getByText('Personne encore.').waitFor();
  for (const who of ['Zoé Lefèvre <zoe@ailleurs.test>', 'marc dupont']) {
    await page.getByLabel('Ajouter un contact').fill(who);
    await page.getByRole('button', { name: 'Ajouter', exact: true }).click();
  }
  await page.getByText('2 personnes').waitFor();
  await page.getByLabel('Ajouter un contact').fill('Personne');
  await page.getByRole('button', { name: 'Ajouter', exact: true }).click();
  await page.getByText('Aucun contact de ce nom.').waitFor();
  await check(page, 'a group');
  await page.screenshot({ path: join(site.shots, 'm-group.png') });
  await page.getByRole('button', { name: 'Retirer Marc Dupont' }).click();
  await page.getByText('1 personne', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Annuler' }).click();
  await page.getByText('2 personnes').waitFor();
  await page.locator('.bar .primary').click();
  await sheet.getByLabel('À', { exact: true }).pressSequentially('bure');
  await sheet.getByRole('option', { name: /Le bureau/ }).waitFor();
  await page.keyboard.press('Enter');
  await sheet.locator('.person', { hasText: 'Marc Dupont' }).waitFor();
  want(await sheet.locator('.person').count() === 2, 'a group is', await sheet.locator('.person').count(), 'people');
  await sheet.getByRole('button', { name: 'Jeter le brouillon' }).click();
  await page.getByText('Brouillon jeté.').waitFor();
});

// What is too large for a mail goes up piece by piece and becomes a link in the
// letter, with its end and the way to take it back.
await visit('a link in place of a large file', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.locator('.bar .primary').click();
  const sheet = page.locator('.sheet'), rich = sheet.locator('.rich');
  await sheet.getByLabel('À', { exact: true }).fill(site.bob.address);
  await sheet.getByLabel('Objet').fill('Le film de la fête');
  await sheet.getByRole('button', { name: 'Gras' }).and(page.locator(':enabled')).waitFor();
  await rich.click();
  await page.keyboard.press('Control+Home');
  await page.keyboard.type('Voici le film.');
  await sheet.locator('input[type=file][multiple]').last().setInputFiles({ name: 'fête.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(6 << 20, 'film') });
  await sheet.locator('.strip').getByText(/lien, jusqu’au/).waitFor();
  await rich.getByText(/À prendre jusqu’au/).waitFor();
  want(await rich.evaluate((e) => e.textContent.indexOf('Voici le film.') < e.textContent.indexOf('/t/')), 'the link stands before the words');
  await check(page, 'a file became a link');
  await page.screenshot({ path: join(site.shots, 'm-heavy.png') });
  // Another end: the letter says so.
  const before = await rich.getByText(/À prendre jusqu’au/).innerText();
  await sheet.getByLabel('Durée du lien vers fête.mp4').selectOption('7');
  await page.waitForFunction(([e, was]) => e.innerText.includes('À prendre jusqu’au') && !e.innerText.includes(was), [await rich.elementHandle(), before.split('\n').at(-1)]);
  want(await rich.locator('a[href*="/t/"]').count() === 1, 'there is more than one link');
  // One that is taken off is taken back.
  await sheet.locator('input[type=file][multiple]').last().setInputFiles({ name: 'autre.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(5 << 20, 'autre') });
  await rich.getByText(/autre\.mp4/).waitFor();
  await sheet.getByRole('button', { name: /autre\.mp4/ }).click();
  await rich.getByText(/autre\.mp4/).waitFor({ state: 'detached' });
  // And a reminder, should nobody answer.
  await sheet.getByRole('button', { name: 'Envoyer plus tard' }).click();
  await sheet.getByLabel('Sans réponse, me le rappeler après').selectOption('7');
  await check(page, 'a reminder is wanted');
  await page.keyboard.press('Escape');
  await sheet.getByText('Rappel sans réponse après 7 jours').waitFor();
  await sheet.getByRole('button', { name: 'Envoyer', exact: true }).click();
  await page.getByText('Le message part dans quelques secondes').or(page.locator('.toast')).first().waitFor();
  await page.locator('.folder', { hasText: 'Envoyés' }).first().click();
  await page.locator('.row', { hasText: 'Le film de la fête' }).locator('.open').dispatchEvent('click');
  const mine = page.getByRole('region', { name: 'Vos liens dans ce message' });
  await mine.getByText(/pris 0 fois/).waitFor();
  await page.getByText(/Sans réponse, ce message revient/).waitFor();
  await page.getByRole('button', { name: 'Ne pas rappeler' }).click();
  await page.getByText('Plus de rappel pour ce message.').waitFor();
  await page.getByText(/Sans réponse, ce message revient/).waitFor({ state: 'detached' });
  await check(page, 'a link that was sent');
  await page.screenshot({ path: join(site.shots, 'm-heavy-sent.png') });
  const url = await page.frameLocator('iframe.page').locator('a[href*="/t/"]').first().getAttribute('href');
  const guest = await context.request.get(site.base + new URL(url).pathname);
  want((await guest.text()).includes('fête.mp4'), 'the link does not open the file');
  await mine.getByRole('button', { name: 'Rappeler' }).click();
  await mine.getByText('ce lien n’ouvre plus rien').waitFor();
  const gone = await context.request.get(site.base + new URL(url).pathname);
  want(gone.status() === 404 && !(await gone.text()).includes('fête.mp4'), 'the link opens after it was taken back:', gone.status());
});

// On the train: what was kept here is read and tidied without a line, and done when
// it is back; signing out leaves nothing of it.
// News of new mail with the app closed. No push service is asked by a test: the
// browser's part of a subscription is made here, with keys of its own.
await visit('news on this device', { permissions: ['notifications'] }, async (page, context) => {
  await context.addInitScript(() => {
    const fake = (url, key, keys) => ({ endpoint: url, options: { applicationServerKey: key }, toJSON: () => ({ endpoint: url, keys }), unsubscribe: async () => { localStorage.removeItem('fake'); return true; } });
    const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))), octets = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0)).buffer;
    PushManager.prototype.getSubscription = async () => { const f = JSON.parse(localStorage.getItem('fake')); return f && fake(f.url, octets(f.key), f.keys); };
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: key }) => {
      if (!userVisibleOnly || key.byteLength !== 65) throw new Error('no browser takes this');
      const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
      const keys = { p256dh: text(await crypto.subtle.exportKey('raw', pair.publicKey)), auth: text(crypto.getRandomValues(new Uint8Array(16))) };
      const url = `https://127.0.0.1:1/${Math.random()}`;
      localStorage.setItem('fake', JSON.stringify({ url, key: text(key), keys }));
      return fake(url, key.buffer, keys);
    };
  });
  const have = () => page.evaluate(async () => {
    const r = await fetch('/jmap/api', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ using: ['urn:ietf:params:jmap:core'], methodCalls: [['PushSubscription/get', { ids: null }, '0']] }) });
    return (await r.json()).methodResponses[0][1].list;
  });
  await enter(page, site.ann);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.getByRole('link', { name: 'Moi' }).click();
  const on = page.getByLabel('Me prévenir quand un message arrive');
  want(!await on.isChecked(), 'the device rings before anybody asked');
  await on.check();
  await page.getByText('Cet appareil vous préviendra.').waitFor();
  await check(page, 'news on this device');
  await page.screenshot({ path: join(site.shots, 'm-push.png') });
  const made = await have();
  want(made.length === 1 && made[0].types.join() === 'EmailDelivery' && made[0].deviceClientId !== '', 'subscribed:', JSON.stringify(made));
  const renewed = page.waitForResponse((r) => r.request().postData()?.includes('PushSubscription/set'));
  await page.reload();
  want((await (await renewed).json()).methodResponses[0][1].updated?.[made[0].id] !== undefined, 'it is not renewed when the app opens');
  await page.getByLabel('Me prévenir quand un message arrive').uncheck();
  await page.waitForFunction(() => !localStorage.getItem('fake') && !localStorage.getItem('colporteur:push'));
  for (let i = 0; i < 50 && (await have()).length > 0; i++) await page.waitForTimeout(100);
  want((await have()).length === 0, 'turned off, it is still subscribed');
});

await visit('offline train', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  await page.getByRole('link', { name: 'Moi' }).click();
  await page.getByLabel('Garder les trente derniers jours sur cet appareil').check();
  await page.getByText('La copie est à jour.').waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.goto(`${site.base}/mail`);
  await page.getByText('Pas de connexion.').waitFor();
  const row = page.locator('.row', { hasText: 'Assemblée générale' });
  await row.locator('.open').click();
  await page.locator('.text', { hasText: 'ordre du jour' }).waitFor();
  await page.locator('.row', { hasText: 'Méchant' }).locator('.open').click();
  await page.frameLocator('iframe.page').getByText('Des mots innocents').waitFor();
  await row.locator('.open').click();
  await page.locator('.text', { hasText: 'ordre du jour' }).waitFor();
  await page.screenshot({ path: join(site.shots, 'm-offline.png') });
  await page.keyboard.press('e');
  await page.getByText('Message archivé.').waitFor();
  await row.waitFor({ state: 'detached' });
  await page.goto(`${site.base}/mail`);
  await page.locator('.row', { hasText: 'Méchant' }).waitFor();
  want(await row.count() === 0, 'what was archived without a line is back after a reload');
  await context.setOffline(false);
  await page.getByText('Pas de connexion.').waitFor({ state: 'detached' });
  await ask('archived');
  await page.getByRole('button', { name: 'Se déconnecter' }).click();
  await page.waitForURL(/\/login/);
  const left = await page.evaluate(async () => [(await indexedDB.databases()).length, (await caches.keys()).length, localStorage.length]);
  want(left.join() === '0,0,0', 'signing out leaves', left.join());
});

// Signed out, nothing is left.
await visit('leaving', {}, async (page) => {
  await enter(page, site.ann);
  await page.getByRole('button', { name: 'Se déconnecter' }).click();
  await page.waitForURL(/\/login/);
  await page.goto(`${site.base}/mail`);
  want(page.url().includes('/login'), 'the mailbox is still open after signing out');
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(bad ? `${bad} complaints` : 'ok all');
process.exit(bad ? 1 : 0);
