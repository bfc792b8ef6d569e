// Reads mails with pictures from elsewhere in Chromium, and says what is wrong, one
// line each. Lines that begin with "ok " are news; "do asked" asks for what the
// host elsewhere was asked for since the last time (see picture_test.go).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const site = JSON.parse((await lines.next()).value);
const asked = async () => { console.log('do asked'); return (await lines.next()).value; };
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let bad = 0;
const want = (ok, ...words) => { if (!ok) { bad++; console.log(words.join(' ').replaceAll('\n', ' ')); } };

const profile = mkdtempSync(join(tmpdir(), 'colporteur-picture-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function visit(what, options, walk) {
  const context = await browser.newContext({ locale: 'fr-FR', viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(12_000);
  const page = await context.newPage();
  page.on('request', (r) => want(r.url().startsWith(site.base + '/') || /^(data|blob|about):/.test(r.url()), what, 'asks another host for', r.url()));
  page.on('response', (r) => want(r.status() < 400, what, 'got', r.status(), 'for', r.url()));
  page.on('console', (m) => want(!['error', 'warning'].includes(m.type()) || what === 'the third wall' && /^(Blocked script execution|Service Worker registration blocked)/.test(m.text()), what, 'console:', m.text()));
  page.on('pageerror', (e) => want(false, what, 'script error:', e.message));
  page.on('dialog', (d) => { want(false, what, 'a dialog opened:', d.message()); void d.dismiss(); });
  try {
    await walk(page, context);
  } catch (e) {
    want(false, what, 'stopped:', e.message);
    await page.screenshot({ path: join(site.shots, 'p-stopped.png') }).catch(() => {});
  }
  await context.close();
}

async function check(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { iframes: false, resultTypes: ['violations'] }));
  for (const v of found.violations) want(false, what, 'axe:', v.id, v.help, v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary ?? ''}`).join(' | '));
}

async function enter(page, who) {
  await page.goto(`${site.base}/mail`);
  await page.locator('#name').fill(who.address);
  await page.locator('#password').fill(who.password);
  await page.locator('button.big').click();
  await page.waitForSelector('.folder', { state: 'attached' });
}

async function open(page, subject) {
  await page.locator('.row', { hasText: subject }).locator('.open').click();
  await page.waitForSelector('iframe.page:not(.closed)');
  return page.frameLocator('iframe.page');
}

// Nothing is asked of anybody before the button; then through us alone.
await visit('asking', {}, async (page) => {
  let walls = 0;
  page.on('request', (r) => { if (/\/wall-.*\.js/.test(r.url())) walls++; });
  await enter(page, site.ann);
  await page.locator('.row').first().waitFor();
  want(walls === 0, 'the third wall is loaded before there is a mail to look at');
  let frame = await open(page, 'Vacances');
  want(walls === 1, 'the third wall is loaded', walls, 'times');
  await page.getByText('3 images distantes ne sont pas chargées').waitFor();
  await page.getByText('2 mouchards écartés (127.0.0.1).').waitFor();
  await page.getByText('Un lien de ce message dit «\u00a0www.banque.fr\u00a0» et mène à «\u00a0evil.test\u00a0»').waitFor();
  await frame.getByText('(ce lien mène à evil.test)').waitFor();
  want(await frame.locator('blockquote').isVisible() === false, 'quoted text is not folded');
  const height = await page.locator('iframe.page').evaluate((e) => e.clientHeight);
  await frame.getByText('Texte cité').click();
  await frame.getByText('Ce que tu disais.').waitFor();
  await page.waitForFunction((h) => document.querySelector('iframe.page').clientHeight > h, height);
  await frame.getByText('Texte cité').click();
  await page.waitForFunction((h) => document.querySelector('iframe.page').clientHeight === h, height);
  want(await asked() === '', 'before anybody asked for them pictures were fetched');
  await check(page, 'asking');
  await page.screenshot({ path: join(site.shots, 'p-asking.png') });

  await page.getByRole('button', { name: 'Montrer', exact: true }).click();
  frame = page.frameLocator('iframe.page');
  await frame.locator('img[src^="/mail/picture?"]').first().waitFor();
  await page.waitForSelector('iframe.page:not(.closed)');
  for (const img of await frame.locator('img[src]').all()) want(await img.evaluate((e) => e.decode().then(() => e.naturalWidth > 1, () => false)), 'a picture is not shown');
  want(await frame.locator('img[src]').count() === 2, 'there are', await frame.locator('img[src]').count(), 'pictures');
  await page.waitForFunction(() => getComputedStyle(document.querySelector('iframe.page').contentDocument.querySelector('div[style]')).backgroundImage.includes('/mail/picture'));
  await page.waitForLoadState('networkidle');
  const got = await asked();
  want(got.split(' | ').sort().join(' | ') === '/behind "" "" | /one "" "" | /two "" ""', 'the host elsewhere was asked for', got);
  want(await page.getByText('ne sont pas chargées').count() === 0, 'the bar still says that they are not loaded');
  await page.screenshot({ path: join(site.shots, 'p-shown.png') });
});

// Always for a sender: where they are proven, and until it is taken back.
await visit('always', {}, async (page) => {
  await enter(page, site.ann);
  let frame = await open(page, 'Contrefait');
  await page.getByText('3 images distantes').waitFor();
  want(await page.getByRole('button', { name: /Toujours/ }).count() === 0, 'a forged mail offers to trust its author');
  frame = await open(page, 'Vacances');
  await page.getByRole('button', { name: 'Toujours pour bob@far.test' }).click();
  await page.getByText('Les images de bob@far.test sont toujours montrées.').waitFor();
  await page.reload();
  await page.waitForSelector('.folder', { state: 'attached' });
  frame = await open(page, 'Vacances');
  await frame.locator('img[src^="/mail/picture?"]').first().waitFor();
  await open(page, 'Contrefait');
  await page.getByText('3 images distantes').waitFor();
  want(await page.frameLocator('iframe.page').locator('img[src]').count() === 0, 'a forged mail shows its pictures by itself');
  frame = await open(page, 'Vacances');
  await page.getByRole('button', { name: 'Ne plus les montrer' }).click();
  await page.getByText('3 images distantes').waitFor();
  await page.waitForFunction(() => document.querySelector('iframe.page:not(.closed)')?.contentDocument?.querySelectorAll('img[src]').length === 0);
});

// Whatever a mail may be made of passes the third wall; what may not does not.
// (A page that a worker has asked for cannot be changed on its way here.)
await visit('the third wall', { serviceWorkers: 'block' }, async (page) => {
  const alarms = [];
  page.on('request', (r) => { if (r.url().endsWith('/alarm')) alarms.push(r.postData()); });
  await enter(page, site.ann);
  const frame = await open(page, 'Tout');
  await frame.getByText('Tout est là.').waitFor();
  want(await frame.locator('a[target=_blank][rel~=noopener][rel~=noreferrer]').count() === 4, 'links lost what they had');
  want(await frame.locator('details summary').count() === 1 && await frame.locator('style').count() === 2 && await frame.locator('[noshade], [bgcolor], [cellpadding]').count() === 2, 'the third wall took something away');
  want(alarms.length === 0, 'an honest mail raises an alarm:', alarms.join(' '));
  // A hole in the first wall.
  await page.route('**/mail/message/*', async (route) => {
    if (route.request().resourceType() !== 'document') return route.continue();
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace('<p', '<form action="https://evil.test/"><input name="password"></form><a id="x" href="javascript:parent.stolen=1" onclick="parent.stolen=1">y</a><p') });
  });
  const holed = await open(page, 'Vacances');
  await page.getByText('Quelque chose d’inattendu a été enlevé de ce message.').waitFor();
  want(await holed.locator('form, input, [onclick], [href^="javascript"]').count() === 0, 'the third wall let something pass');
  want(await holed.getByText('Bonjour').count() === 1, 'the third wall took the words away');
  want(alarms.length === 1 && alarms[0].includes('form'), 'the alarm says', alarms.join(' '));
  want(await page.evaluate(() => window.stolen === undefined), 'a script ran');
});

// Files are looked at here.
await visit('files', {}, async (page, context) => {
  await enter(page, site.ann);
  await page.locator('.row', { hasText: 'Pieces' }).locator('.open').click();
  await page.getByRole('button', { name: 'Voir mer.jpg' }).click();
  const picture = page.getByRole('dialog', { name: 'mer.jpg' }).locator('img');
  want(await picture.evaluate((e) => e.decode().then(() => e.naturalWidth === 1200, () => false)), 'the photo is not shown');
  await check(page, 'a photo');
  await page.screenshot({ path: join(site.shots, 'p-photo.png') });
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Voir notes.txt' }).click();
  await page.getByRole('dialog', { name: 'notes.txt' }).getByText('Des notes du mois.').waitFor();
  await check(page, 'a text');
  await page.getByRole('button', { name: 'Fermer' }).click();
  const link = page.getByRole('link', { name: 'Ouvrir plan.pdf' });
  want(await link.getAttribute('target') === '_blank' && (await link.getAttribute('rel')).includes('noopener'), 'a PDF is not opened in a tab of its own');
  const answer = await context.request.get(site.base + await link.getAttribute('href'));
  want(answer.headers()['content-type'] === 'application/pdf' && answer.headers()['content-disposition'].startsWith('inline'), 'the PDF comes as', JSON.stringify(answer.headers()));
});

// On paper: who, when, and the words; nothing of the app.
await visit('print', {}, async (page) => {
  await enter(page, site.ann);
  await open(page, 'Vacances');
  await page.evaluate(() => {
    new MutationObserver((list) => { for (const m of list) for (const n of m.addedNodes) if (n.nodeName === 'IFRAME' && n.className === 'unseen') n.addEventListener('load', () => { window.printed = n.contentDocument.body.innerText; n.contentWindow.print = () => { window.asked = true; }; }, { capture: true }); }).observe(document.body, { childList: true });
  });
  await page.getByRole('button', { name: 'Imprimer ce message' }).click();
  await page.waitForFunction(() => window.printed);
  const words = await page.evaluate(() => window.printed);
  want(['Vacances', 'bob@far.test', 'lundi 23 novembre 2026 à 10:00', 'Ce que tu disais.'].every((w) => words.includes(w)), 'on paper there is', words);
  await page.goto(page.url().replace(/\/mail.*/, '/mail'));
});

// In English, in the dark, on a phone.
await visit('phone', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }, async (page) => {
  await enter(page, site.bob);
  const frame = await open(page, 'Vacances');
  await page.getByText('3 pictures from elsewhere are not loaded').waitFor();
  await page.getByText('2 trackers kept out').waitFor();
  await frame.getByText('Quoted text').waitFor();
  want(await frame.locator('html').evaluate((e) => getComputedStyle(e).backgroundColor) === 'rgb(255, 255, 255)', 'the paper is dark');
  want(await page.evaluate(() => document.documentElement.scrollWidth <= 360), 'the page is wider than the phone');
  await check(page, 'phone');
  await page.screenshot({ path: join(site.shots, 'p-phone.png') });
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(bad ? `${bad} complaints` : 'ok all');
process.exit(bad ? 1 : 0);
