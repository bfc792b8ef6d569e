// Hands files in as people do, in Chromium, and says what is wrong, one line
// each. Lines that begin with "ok " are news. Reads what to do as JSON from
// stdin (see upload_test.go).
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const site = JSON.parse(readFileSync(0, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let bad = 0;
const complain = (...words) => { bad++; console.log(words.join(' ').replaceAll('\n', ' ')); };

const profile = mkdtempSync(join(tmpdir(), 'colporteur-upload-'));
const browser = await chromium.launch({
  executablePath: site.chromium, env: { ...process.env, HOME: profile },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function visit(what, options, walk) {
  const context = await browser.newContext({ locale: 'fr-FR', viewport: { width: 820, height: 900 }, ...options });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  page.on('dialog', (d) => d.accept());
  page.on('request', (r) => { if (!r.url().startsWith(site.base + '/') && !/^(data|blob):/.test(r.url())) complain(what, 'asks another host for', r.url()); });
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !/ERR_|net::|404|413/.test(m.text())) complain(what, 'console:', m.text()); });
  page.on('pageerror', (e) => complain(what, 'script error:', e.message));
  try {
    await walk(page, context);
  } catch (e) {
    complain(what, 'stopped:', e.message);
    await page.screenshot({ path: join(site.shots, 'upload-stopped.png'), fullPage: true }).catch(() => {});
  }
  await context.close();
}

const shot = (page, name) => page.screenshot({ path: join(site.shots, `upload-${name}.png`), fullPage: true });

async function audit(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  for (const v of found.violations) complain(what, 'axe:', v.id, v.nodes.map((n) => n.target.join(' ')).join(' | '));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) complain(what, 'scrolls sideways by', wide, 'px');
}

// Without a script: the page in its clothes, then the form.
for (const colorScheme of ['light', 'dark']) {
  for (const lang of ['fr', 'en']) {
    for (const width of [360, 820, 1440]) {
      await visit(`no script ${lang} ${colorScheme} ${width}`, { javaScriptEnabled: false, colorScheme, viewport: { width, height: 900 } }, async (page) => {
        for (const name of ['pass', 'own']) {
          await page.goto(`${site.base}${site[name]}?lang=${lang}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          if (wide > 0) complain(name, lang, width, 'scrolls sideways by', wide, 'px');
          const small = await page.evaluate(() => [...document.querySelectorAll('a.button, button, summary, input, textarea')]
            .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().height < 56).map((e) => e.id || e.textContent.trim()));
          if (small.length) complain(name, lang, width, 'has targets under 56 px:', small.join(', '));
          await shot(page, `${name}-${lang}-${colorScheme}-${width}`);
        }
      });
    }
  }
}
await visit('the form without a script', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + site.pass);
  await page.setInputFiles('#file', [site.small]);
  await page.fill('#giver', 'Sans script');
  await page.click('button.big');
  await page.getByText('est remis').waitFor();
  await shot(page, 'thanks');
});

// With it: axe in both colours, with files in the list.
for (const colorScheme of ['light', 'dark']) {
  await visit(`list ${colorScheme}`, { colorScheme, viewport: { width: 360, height: 900 } }, async (page) => {
    for (const name of ['pass', 'own']) {
      await page.goto(site.base + site[name]);
      await page.setInputFiles('#file', [site.small, site.empty]);
      await page.getByText('arrivé').nth(1).waitFor();
      for (const d of await page.$$('details')) await d.evaluate((e) => { e.open = true; });
      if (name === 'own') await page.check('#seal');
      await audit(page, `${name} ${colorScheme}`);
      await shot(page, `list-${name}-${colorScheme}`);
    }
  });
}

// A file is dragged in, the page reloads in the middle, the same file is chosen
// again: it goes on where it was.
await visit('reload in the middle', {}, async (page, context) => {
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  const slow = (n) => devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 5, downloadThroughput: -1, uploadThroughput: n });
  await slow(2 << 20);
  const offsets = [];
  page.on('request', (r) => { if (r.method() === 'PATCH') offsets.push(Number(r.headers()['upload-offset'])); });
  await page.goto(site.base + site.pass);
  await page.setInputFiles('#file', site.film);
  await page.waitForFunction(() => document.querySelector('.uploads progress')?.value > 3_000_000);
  await shot(page, 'progress');
  await page.reload();
  await page.getByText('Ou déposez-les ici').waitFor();
  await slow(-1);
  await page.setInputFiles('#file', site.film);
  await page.getByText('arrivé').first().waitFor();
  if (!(offsets.length > 1 && offsets[0] === 0 && offsets.at(-1) > 1_000_000)) complain('reload', 'PATCHes from', offsets.join(', '));
  else console.log('ok went on from', offsets.at(-1));
  await page.fill('#giver', 'Claire');
  await page.fill('#message', 'Voilà le film');
  await page.click('button.big');
  await page.getByText('est remis').waitFor();
});

// Dropped files, one taken away again; the button pressed before they are there.
await visit('drop', {}, async (page) => {
  await page.goto(site.base + site.pass);
  const data = await page.evaluateHandle(() => {
    const d = new DataTransfer();
    d.items.add(new File(['un'], 'un.txt', { type: 'text/plain' }));
    d.items.add(new File(['deux'], 'deux.txt', { type: 'text/plain' }));
    return d;
  });
  await page.dispatchEvent('body', 'dragover', { dataTransfer: data });
  if (!await page.$('.drop.over')) complain('drop', 'does not say that files may be dropped');
  await page.dispatchEvent('body', 'drop', { dataTransfer: data });
  await page.getByRole('button', { name: 'Enlever deux.txt' }).click();
  await page.fill('#giver', 'Glisser');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Votre fichier est remis').waitFor();
});

// What the server refuses is said, and the rest goes on.
await visit('refused', {}, async (page) => {
  await page.goto(site.base + site.pass);
  await page.evaluate(() => { document.querySelector('form[data-hand]').dataset.max = '100'; });
  await page.route('**/u', async (route) => route.request().method() === 'POST' ? route.fulfill({ status: 413, headers: { 'Tus-Resumable': '1.0.0' }, contentType: 'text/plain', body: 'Ce dépôt est plein' }) : route.continue());
  await page.setInputFiles('#file', site.small);
  await page.getByText('Ce dépôt est plein').first().waitFor();
  await page.getByRole('button', { name: 'Réessayer' }).waitFor();
  await audit(page, 'refused');
  await shot(page, 'refused');
  await page.unroute('**/u');
  await page.getByRole('button', { name: 'Réessayer' }).click();
  await page.getByText('arrivé').first().waitFor();
});

// Sealed in the browser: the key is in the link alone, and the link opens it.
let sealed = '';
await visit('sealing', {}, async (page) => {
  const said = [];
  page.on('request', (r) => said.push(r.url(), JSON.stringify(r.headers()), r.postData() ?? ''));
  await page.goto(site.base + site.own);
  await page.setInputFiles('#file', site.small);
  await page.getByText('arrivé').first().waitFor();
  await page.check('#seal'); // what came in the clear is taken back, and comes sealed
  await page.setInputFiles('#file', site.film);
  await page.waitForFunction(() => document.querySelectorAll('.uploads li').length === 2 && [...document.querySelectorAll('.uploads .state')].every((e) => e.textContent === 'arrivé'));
  said.length = 0;
  if (await page.isVisible('#guests')) complain('sealing', 'still asks for guests, who would get a link without its key');
  await page.fill('#title', 'Sous clé');
  await page.click('button.big');
  await page.getByText('Vos 2 fichiers sont prêts').waitFor();
  await page.getByRole('button', { name: 'Copier le lien' }).waitFor();
  sealed = await page.getAttribute('#share', 'href');
  if (!/#[\w-]{22}$/.test(sealed)) complain('sealing', 'the link has no key:', sealed);
  const key = sealed.slice(sealed.indexOf('#') + 1);
  if (said.some((s) => s.includes(key))) complain('sealing', 'the key was sent');
  if (!(await page.getAttribute('a[href^=mailto]', 'href')).includes(encodeURIComponent(sealed))) complain('sealing', 'the mail to write lacks the link');
  await audit(page, 'sealed');
  await shot(page, 'sealed');
});
await visit('opening', {}, async (page) => {
  await page.goto(site.base + sealed.slice(sealed.indexOf('/t/')));
  await page.getByText('La clé est la bonne').waitFor();
  await audit(page, 'opening');
  await shot(page, 'opening');
  for (const [name, sum] of [['film.mp4', site.filmSum], ['Une lettre à lire.txt', site.smallSum]]) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()]);
    const got = createHash('sha256').update(readFileSync(await download.path())).digest('hex');
    if (got !== sum || download.suggestedFilename() !== name) complain('opening', name, 'came as', download.suggestedFilename(), got);
    else console.log('ok opened', name);
  }
});
await visit('without its key', {}, async (page) => {
  await page.goto(site.base + sealed.slice(sealed.indexOf('/t/')).replace(/#.*/, ''));
  await page.getByText('Il manque la clé').waitFor();
  await page.goto(site.base + sealed.slice(sealed.indexOf('/t/'), -22) + 'A'.repeat(22));
  await page.reload();
  await page.getByText('Il manque la clé').waitFor();
});
await visit('sealed, without a script', { javaScriptEnabled: false }, async (page) => {
  await page.goto(site.base + sealed.slice(sealed.indexOf('/t/')));
  await page.getByText('il faut JavaScript').waitFor();
  await shot(page, 'sealed-noscript');
});

await browser.close();
rmSync(profile, { recursive: true, force: true });
process.exit(bad ? 1 : 0);
